// Answers on their way. Each is read by a follower of its own, an element that htmx streams into: every connection
// begins with all there is so far, so a dropped one is simply opened again. Where streams do not get through, the
// page asks from time to time instead. A pause closes the connection; the server goes on writing.
const log = document.querySelector("#log");
const box = document.querySelector("#message");
const [pause, stop, send] = ["#pause", "#stop", "#send"].map((id) => document.querySelector(id));
const QUIET = 8_000; // a network that lets a stream through does so at once: the server speaks first
const SILENCE = 40_000; // and then every 15 s
const WORDLESS = 12_000;
const TRIES = 3; // since the last words
const DROPS = 6; // of one answer
const POLL = 20; // s
const LONGEST_REST = 15_000;

const states = new WeakMap(); // by article
const connections = new WeakMap(); // by follower
let streamsGetThrough = true; // until one was held back

const stateOf = (article) => {
  if (!states.has(article)) {
    const now = Date.now();
    const shown = Number(article.dataset.after ?? 0); // the id of the last event on the page
    states.set(article, { shown, opened: now, heard: 0, worded: now, tries: 0, drops: 0, timer: 0, polling: null, told: Promise.resolve() });
  }
  return states.get(article);
};
const running = () => [...log.querySelectorAll('.answer[data-status="streaming"]:not([data-paused])')];
const isRunning = (article) => article.isConnected && article.matches('[data-status="streaming"]:not([data-paused])');

// --- What can be pressed -------------------------------------------------------------------------------------

const noKeys = matchMedia("(hover: none)"); // there, focus on the box would open the keyboard
const show = () => {
  const busy = running().length > 0;
  const typed = box.value.trim() !== "";
  const focused = document.activeElement;
  pause.hidden = !busy;
  stop.hidden = !busy || typed;
  send.hidden = busy && !typed;
  if (focused?.hidden && !noKeys.matches) box.focus({ preventScroll: true }); // the button that was pressed is gone
};
const say = (article, template) => {
  const line = article.querySelector(".connection");
  if (line?.dataset.template === template) return;
  line?.remove();
  if (!template) return;
  const words = document.querySelector(template).content.cloneNode(true);
  words.firstElementChild.dataset.template = template;
  article.querySelector(".said").append(words);
};

// --- Following -----------------------------------------------------------------------------------------------

const close = (article) => {
  const state = stateOf(article);
  clearTimeout(state.timer);
  state.timer = 0;
  state.polling?.abort();
  state.polling = null;
  for (const follower of article.querySelectorAll(".follower")) {
    follower.remove(); // first: what it says from now on reaches nobody
    window.htmx.trigger(follower, "htmx:abort"); // while it waits for its first byte
    connections.get(follower)?.abortController.abort();
  }
};

const open = (article) => {
  close(article);
  Object.assign(stateOf(article), { opened: Date.now(), heard: 0 });
  const follower = document.createElement("div");
  follower.className = "follower";
  follower.setAttribute("hx-sse:connect", article.dataset.stream);
  follower.setAttribute("hx-sse:close", "done");
  follower.setAttribute("hx-swap", "none");
  follower.setAttribute("hx-config", "sse.reconnect:false sse.pauseOnBackground:false");
  article.querySelector(".said").append(follower);
  window.htmx.process(follower);
};

const dropped = (article) => {
  const state = stateOf(article);
  if (state.timer || state.polling || !isRunning(article)) return; // an error and a close tell of one drop
  close(article);
  if (++state.tries > TRIES || ++state.drops > DROPS) {
    poll(article);
    return;
  }
  say(article, "#lost");
  state.timer = setTimeout(() => isRunning(article) && open(article), 500 * 2 ** (state.tries - 1));
};

const gone = (article) => {
  close(article);
  say(article, "#gone");
  article.dataset.status = "interrupted";
  show();
};

const articleOf = (element) => element.matches?.(".follower") && element.closest(".answer");

document.addEventListener("htmx:sse:before:connection", (event) => {
  connections.set(event.target, event.detail.connection);
});
document.addEventListener("htmx:sse:after:message", (event) => {
  const article = articleOf(event.target);
  if (!article) return;
  const state = stateOf(article);
  const { event: name, id } = event.detail.message;
  state.heard = Date.now();
  if (name === "ping") {
    const waiting = state.heard - state.worded > WORDLESS;
    if (waiting || state.tries === 0) say(article, waiting ? "#still" : null);
  } else {
    Object.assign(state, { worded: state.heard, tries: 0, shown: Number(id) || state.shown });
    say(article, null);
  }
});
document.addEventListener("htmx:sse:close", (event) => {
  const article = articleOf(event.target);
  if (!article || !isRunning(article)) return;
  if (event.detail.reason === "message") gone(article); // it ended, and nothing was left to show
  else if (event.detail.reason !== "cleanup") dropped(article);
});
document.addEventListener("htmx:error", (event) => {
  const article = articleOf(event.target);
  if (article) dropped(article);
});
document.addEventListener("htmx:response:error", (event) => {
  const article = articleOf(event.target);
  if (!article) return;
  const { status } = event.detail.ctx.response;
  if (status >= 400 && status < 500 && status !== 429) gone(article);
  else dropped(article);
});

// --- Asking from time to time --------------------------------------------------------------------------------

const rest = (seconds, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, seconds);
  for (const [source, name] of [[window, "online"], [signal, "abort"]]) {
    source.addEventListener(name, () => { clearTimeout(timer); resolve(); }, { once: true });
  }
});

// Gives up after a while, or with `signal`.
const ask = async (address, signal) => {
  const request = new AbortController();
  const give = () => request.abort();
  const timer = setTimeout(give, (POLL + 15) * 1000);
  signal.addEventListener("abort", give, { once: true });
  try {
    return await fetch(address, { signal: request.signal, headers: { "HX-Request": "true" } });
  } finally {
    clearTimeout(timer);
  }
};

const poll = async (article) => {
  close(article);
  const state = stateOf(article);
  const mine = state.polling = new AbortController();
  const before = state.shown;
  for (let failures = 0; state.polling === mine && isRunning(article);) {
    try {
      const reply = await ask(`${article.dataset.stream}/poll?wait=${POLL}&after=${state.shown}`, mine.signal);
      if (reply.status >= 400 && reply.status < 500 && reply.status !== 429) {
        gone(article);
        return;
      }
      if (!reply.ok) throw new Error(reply.statusText);
      const text = (await reply.text()).trim(); // padded with blanks
      if (state.polling !== mine) return;
      failures = 0;
      say(article, "#steps");
      if (text) {
        await window.htmx.swap({ text, target: article, sourceElement: article, swap: "none" });
        state.shown = Number(/^<!-- (\d+) -->/.exec(text)?.[1] ?? state.shown);
        if (state.heard === 0 && state.shown > before) streamsGetThrough = false;
      }
    } catch {
      if (state.polling !== mine) return;
      failures += 1;
      say(article, failures > 1 ? "#gave-up" : "#lost");
      await rest(Math.min(500 * 2 ** failures, LONGEST_REST), mine.signal);
    }
  }
};

// --- Pause, Continue, Stop -----------------------------------------------------------------------------------

const token = () => document.querySelector("#composer [name=csrfmiddlewaretoken]").value;
const tell = (article, verb, fields = {}) => {
  const state = stateOf(article);
  const body = new URLSearchParams({ csrfmiddlewaretoken: token(), ...fields });
  // In order; a pause that does not reach the server holds on this page all the same.
  state.told = state.told.then(() => fetch(`${article.dataset.stream}/${verb}`, { method: "POST", body, headers: { "HX-Request": "true" }, keepalive: true })).catch(() => {});
};

const goOn = (article) => {
  delete article.dataset.paused;
  article.querySelector(".prose").ariaBusy = "true";
  Object.assign(stateOf(article), { tries: 0, drops: 0, worded: Date.now() });
  if (streamsGetThrough) open(article);
  else poll(article);
  show();
};

pause.addEventListener("click", () => {
  const article = running().at(-1);
  if (!article) return;
  close(article);
  say(article, null);
  article.dataset.paused = "";
  article.querySelector(".prose").ariaBusy = "false";
  tell(article, "pause", { after: stateOf(article).shown });
  show();
  article.querySelector(".resume button").focus({ preventScroll: true });
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches?.("form.resume")) return;
  event.preventDefault();
  const article = event.target.closest(".answer");
  tell(article, "resume");
  goOn(article);
  if (!noKeys.matches) box.focus({ preventScroll: true });
});

stop.addEventListener("click", () => running().at(-1)?.querySelector("form.stop").requestSubmit());

// A paused answer that was stopped, here or by the next message, shows how it ended.
document.addEventListener("htmx:after:request", (event) => {
  const { target } = event;
  if (!target.matches) return; // the document, in place of a follower that is gone
  const isTaken = event.detail.ctx.response?.raw.ok;
  if (isTaken && target.matches("form.stop")) [target.closest(".answer[data-paused]")].filter(Boolean).forEach(goOn);
  if (isTaken && target.matches("#composer")) {
    for (const article of log.querySelectorAll(".answer[data-paused]")) {
      tell(article, "resume");
      goOn(article);
    }
  }
});

// --- Time, and coming and going ------------------------------------------------------------------------------

const look = () => {
  const now = Date.now();
  for (const article of running()) {
    const state = stateOf(article);
    if (state.polling || state.timer) continue;
    if (!state.heard && (!streamsGetThrough || now - state.opened > QUIET)) poll(article);
    else if (state.heard && now - state.heard > SILENCE) dropped(article);
  }
};
setInterval(look, 1_000);
new MutationObserver(() => {
  running().forEach(stateOf);
  show();
}).observe(log, { childList: true });
box.addEventListener("input", show);
box.addEventListener("draft", show);
running().forEach(stateOf);
show();

addEventListener("online", () => {
  for (const article of running()) {
    if (stateOf(article).timer) open(article);
  }
});
document.addEventListener("visibilitychange", () => document.hidden || look());
addEventListener("pagehide", () => log.querySelectorAll(".answer").forEach(close));
addEventListener("pageshow", (event) => event.persisted && running().forEach(open));

// The server names the conversation's address with every answer, and htmx would push it each time.
document.addEventListener("htmx:before:history:update", (event) => {
  if (event.detail.history.path === location.pathname) event.preventDefault();
});
