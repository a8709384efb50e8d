// The message box: send keys, height, draft, one id per message, model, time zone. A draft goes only when the server
// has taken it. A message may be sent at any time: it ends the answer that is being written.
const form = document.querySelector("#composer");
const box = form.elements.namedItem("message");
const id = form.elements.namedItem("client_message_id");
const problem = document.querySelector("#problem");
const model = form.elements.namedItem("model"); // only where there is a choice
const RETRIES = 3;

let draftKey = `draft:${location.pathname}`;
let tried = false; // the message in the box was sent at least once, so its id is used
let pending = null; // the message that is on its way
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

const submit = () => {
  if (pending === null) form.requestSubmit();
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
  pending = box.value;
  problem.replaceChildren();
});

form.addEventListener("htmx:after:request", (event) => {
  if (event.target !== form || !event.detail.ctx.response.raw.ok) return;
  failures = 0;
  if (box.value === pending) box.value = ""; // else more was written meanwhile
  grow();
  keep();
  renew();
  box.dispatchEvent(new CustomEvent("draft"));
});

form.addEventListener("htmx:finally:request", (event) => {
  if (event.target === form) pending = null;
});

const tell = (template) => problem.replaceChildren(document.querySelector(template).content.cloneNode(true));
form.addEventListener("htmx:error", (event) => {
  if (event.target !== form) return;
  if (failures++ < RETRIES) {
    setTimeout(() => form.requestSubmit(), 500 * 2 ** failures);
  } else {
    failures = 0;
    tell("#offline");
  }
});
document.addEventListener("htmx:error", (event) => event.target.matches?.("form.retry") && tell("#offline-retry"));
document.addEventListener("htmx:before:request", (event) => event.target.matches?.("form.retry") && problem.replaceChildren());

window.addEventListener("pageshow", (event) => event.persisted && renew());
renew();
form.elements.namedItem("timezone").value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
try {
  box.value ||= sessionStorage.getItem(draftKey) ?? "";
  const liked = localStorage.getItem("model");
  const isNew = form.elements.namedItem("conversation").value === "";
  if (model && isNew && [...model.options].some((option) => option.value === liked)) model.value = liked;
} catch {
  // No storage: no draft, and the server's choice of model.
}
model?.addEventListener("change", () => {
  try {
    localStorage.setItem("model", model.value);
  } catch {
    // It lasts as long as the page.
  }
});
box.dispatchEvent(new CustomEvent("draft"));
grow();
if (!touch.matches) box.focus();
