// The keyboard keeps its place: a piece of the page that is exchanged gives the focus to what stands there now (a field
// that needs another look first), and Escape closes what was opened.
const CONTROLS = 'button, a[href], summary, input:not([type="hidden"]), select';

const WHOLE = ["log", "main", "sidebar"]; // what is around everything is nobody's successor
const noKeys = matchMedia("(hover: none)"); // there, focus on the box would open the keyboard

// What a control is, so that its successor can be found.
const likeness = (element) => ["id", "name", "href", "aria-label"]
  .filter((name) => element.getAttribute(name))
  .map((name) => `[${name}="${CSS.escape(element.getAttribute(name))}"]`)
  .join("");

let held = null; // where the keyboard is
document.addEventListener("focusin", ({ target }) => {
  const regions = [];
  for (let one = target.parentElement; one; one = one.parentElement) if (one.id && !WHOLE.includes(one.id)) regions.push(one.id);
  held = { target, regions, like: likeness(target) };
});
document.addEventListener("pointerdown", () => { held = null; }); // a press beside it all is meant

const restore = () => {
  if (!held || held.target.isConnected || document.activeElement !== document.body) return;
  const { regions, like } = held;
  held = null;
  const region = regions.map((id) => document.getElementById(id)).find(Boolean);
  const seen = (selector) => [...(region?.querySelectorAll(selector) ?? [])].find((one) => one.checkVisibility?.() ?? true);
  const box = noKeys.matches ? null : document.querySelector("#message");
  (seen('[aria-invalid="true"]') || (like && seen(like)) || seen(CONTROLS) || box)?.focus({ preventScroll: true });
};
document.addEventListener("htmx:after:swap", () => queueMicrotask(restore));

document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && !event.defaultPrevented && event.target.closest?.("details[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
  event.preventDefault();
});
