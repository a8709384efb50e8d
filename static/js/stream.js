// Answers on their way: Stop, silence, drops. A dropped stream is followed again through its own address, which
// starts with all there is so far; htmx itself never reconnects here.
const log = document.querySelector("#log");
const stop = document.querySelector("#stop");
const send = document.querySelector("#send");
const SILENCE = 60_000; // the server speaks every 15 s
const TRIES = 3;
const tries = new Map(); // by article id, since its last message
let heard = Date.now();

const running = () => [...log.querySelectorAll('.answer[data-status="streaming"]')];

const show = () => {
  const busy = running().length > 0;
  const focused = [stop, send].includes(document.activeElement);
  stop.hidden = !busy;
  send.hidden = busy;
  // The button that was pressed is gone: a keyboard goes on in the box. On touch that would open the keys again.
  if (focused && !matchMedia("(hover: none)").matches) document.querySelector("#message").focus();
};
new MutationObserver(show).observe(log, { childList: true });
show();

stop.addEventListener("click", () => running().at(-1)?.querySelector("form.stop")?.requestSubmit());

const say = (article, template) => {
  article.querySelector(".connection")?.remove();
  if (template) article.querySelector(".said").append(document.querySelector(template).content.cloneNode(true));
};

const follow = (article) => {
  article.querySelector(".follower")?.remove();
  const count = (tries.get(article.id) ?? 0) + 1;
  tries.set(article.id, count);
  if (count > TRIES) {
    say(article, "#gave-up");
    return;
  }
  say(article, "#lost");
  setTimeout(() => {
    if (!article.isConnected || !running().includes(article)) return;
    const follower = document.createElement("div");
    follower.className = "follower";
    follower.setAttribute("hx-sse:connect", article.dataset.stream);
    follower.setAttribute("hx-sse:close", "done");
    follower.setAttribute("hx-swap", "none");
    follower.setAttribute("hx-config", "sse.reconnect:false sse.pauseOnBackground:false");
    article.querySelector(".said").append(follower);
    heard = Date.now();
    window.htmx.process(follower);
  }, 500 * 2 ** (count - 1));
};

// The source of a stream is the article's follower, or the form that asked for it (then its answer is the last).
const articleOf = (source) => {
  const own = source.closest?.(".answer");
  return own?.dataset.status === "streaming" ? own : running().at(-1);
};

document.addEventListener("htmx:sse:after:message", (event) => {
  heard = Date.now();
  const article = articleOf(event.target);
  if (article) {
    tries.delete(article.id);
    say(article, null);
  }
});

const dropped = (event) => {
  const article = articleOf(event.target);
  if (article && !article.dataset.waiting) {
    article.dataset.waiting = "yes"; // an error and a close tell of one drop
    setTimeout(() => {
      delete article.dataset.waiting;
      if (article.isConnected && event.detail?.reason !== "cleanup") follow(article);
    });
  }
};
document.addEventListener("htmx:sse:close", (event) => {
  if (event.detail.reason !== "removed" && event.detail.reason !== "message") dropped(event);
});
for (const failure of ["htmx:error", "htmx:response:error"]) {
  document.addEventListener(failure, (event) => event.target.matches?.(".follower") && dropped(event));
}

setInterval(() => {
  const silent = Date.now() - heard > SILENCE;
  for (const article of silent ? running() : []) {
    heard = Date.now();
    const follower = article.querySelector(".follower");
    if (follower) follow(article);
    else for (const form of document.querySelectorAll("#composer, form.retry")) window.htmx.trigger(form, "htmx:abort");
  }
}, 5_000);

// The server names the conversation's address on the stream, and htmx would push it at every message.
document.addEventListener("htmx:before:history:update", (event) => {
  if (event.detail.history.path === location.pathname) event.preventDefault();
});

// A retried answer holds the form that its successor streams through: it steps aside at once, and goes at the end.
document.addEventListener("htmx:sse:after:connection", (event) => {
  if (event.target.matches("form.retry")) event.target.closest(".answer").hidden = true;
});
document.addEventListener("htmx:finally:request", (event) => {
  const article = event.target.matches?.("form.retry") && event.target.closest(".answer");
  if (article?.hidden) article.remove();
});
