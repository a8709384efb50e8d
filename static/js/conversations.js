// The list beside the chat: a sheet with what can be done with a conversation, the bar that brings one back.
const sheet = document.querySelector("#sheet");
let opener = null; // the id of what opened the sheet: the list is made anew, and with it what has this id
let isChanged = false; // what was done in the sheet is about to change the list

const close = () => sheet.open && sheet.close();
sheet.addEventListener("close", () => {
  sheet.replaceChildren();
  document.getElementById(opener)?.focus();
});

// What stood here before the page was read is not said: so it comes once more.
const deleted = document.querySelector("#deleted");
setTimeout(() => deleted.replaceChildren(...deleted.childNodes), 300);

document.addEventListener("htmx:before:request", (event) => {
  const more = event.target.closest?.(".more");
  if (more) opener = more.id;
});

document.addEventListener("htmx:after:swap", ({ target }) => {
  // Only for what was put into it: one that was just closed keeps its content for a moment.
  const isFilled = target === sheet || target.matches?.(".more");
  if (isFilled && sheet.childElementCount && !sheet.open) sheet.showModal();
  if (!isChanged || sheet.open || document.activeElement !== document.body) return;
  const place = document.getElementById(opener) ?? document.querySelector("#undo button");
  place?.focus();
  isChanged = !place;
});

// What was done with the sheet gives the list anew, and nothing for the sheet: it goes.
document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  if (!event.target.closest?.("#sheet, #conversations, #undo")) return;
  if (ctx.response?.raw.status === 404) { // deleted meanwhile, in another tab
    event.preventDefault();
    location.reload();
    return;
  }
  if (!ctx.response?.raw.ok) return;
  if (event.target.closest("#undo")) isChanged = true; // what came back takes the focus
  if (!event.target.closest("#sheet")) return;
  if (!ctx.text?.includes("options-top")) {
    isChanged = true;
    close();
  }
});

const copy = async (button) => {
  const field = button.parentElement.querySelector("input");
  field.select();
  await navigator.clipboard?.writeText(field.value);
  const words = button.textContent;
  button.textContent = button.dataset.done;
  button.closest(".within").querySelector("[role=status]").textContent = button.dataset.done;
  setTimeout(() => (button.textContent = words), 1500);
};

// The way back was declined: the keyboard goes on to what follows it.
const dismiss = (bar) => {
  const places = [...document.querySelectorAll(`${bar.closest("#undo") ? "#conversations a, " : ""}#main :is(a, button), #message`)];
  bar.remove();
  places.find((place) => place.checkVisibility?.() ?? true)?.focus();
};

document.addEventListener("click", (event) => {
  const on = (selector) => event.target.closest(selector);
  if (event.target === sheet || on("[data-close]")) close(); // beside the sheet is the dialog itself
  if (on("[data-dismiss]")) dismiss(on(".undo"));
  if (on("[data-copy-link]")) copy(on("[data-copy-link]"));
});
