// The message box: send keys, height, draft, one id per message. A draft goes only when the server has taken it.
const form = document.querySelector("#composer");
const box = form.elements.namedItem("message");
const id = form.elements.namedItem("client_message_id");
const problem = document.querySelector("#problem");
const RETRIES = 3;

let draftKey = `draft:${location.pathname}`;
let tried = false; // the message in the box was sent at least once, so its id is used
let taken = true; // the server has answered the last request
let failures = 0;

const renew = () => {
  id.value = crypto.randomUUID?.() ?? "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (c) =>
    (c ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (c / 4)))).toString(16)); // plain http has no randomUUID
  tried = false;
};

const grow = () => {
  if (CSS.supports("field-sizing", "content")) return;
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
};

const keep = () => {
  try {
    sessionStorage.removeItem(draftKey);
    draftKey = `draft:${location.pathname}`; // a first message gives the page another address
    if (box.value) sessionStorage.setItem(draftKey, box.value);
  } catch {
    // Storage is off: the draft lasts as long as the page.
  }
};

const answering = () => document.querySelector('.answer[data-status="streaming"]') !== null;
const submit = () => {
  if (!answering() && taken) form.requestSubmit();
};

const touch = matchMedia("(hover: none) and (pointer: coarse)"); // there, Enter breaks the line and the thumb sends
box.enterKeyHint = touch.matches ? "enter" : "send";
box.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229 || touch.matches) return;
  event.preventDefault();
  if (box.value.trim()) submit();
});
box.addEventListener("input", () => {
  if (tried) renew();
  grow();
  keep();
});

document.querySelector(".suggestions")?.addEventListener("submit", (event) => {
  event.preventDefault();
  box.value = event.submitter.value;
  submit();
});

form.addEventListener("htmx:before:request", (event) => {
  if (event.target !== form) return;
  tried = true;
  taken = false;
  problem.replaceChildren();
});

form.addEventListener("htmx:sse:before:message", () => {
  if (taken) return;
  taken = true;
  failures = 0;
  box.value = "";
  grow();
  keep();
  renew();
});

form.addEventListener("htmx:error", (event) => {
  if (event.target !== form || taken) return;
  if (failures++ < RETRIES) {
    setTimeout(() => form.requestSubmit(), 500 * 2 ** failures);
  } else {
    failures = 0;
    problem.replaceChildren(document.querySelector("#offline").content.cloneNode(true));
  }
});

form.addEventListener("htmx:finally:request", (event) => {
  if (event.target !== form) return;
  taken = true;
});

window.addEventListener("pageshow", (event) => event.persisted && renew());
renew();
try {
  box.value ||= sessionStorage.getItem(draftKey) ?? "";
} catch {
  // No storage, no draft.
}
grow();
if (!touch.matches) box.focus();
