// Editing a question in its place: a changed text is another message, so it gets another id.
const log = document.querySelector("#log");

log.addEventListener("toggle", (event) => {
  if (!event.target.matches("details.edit") || !event.target.open) return;
  const box = event.target.querySelector("textarea");
  box.focus({ preventScroll: true });
  box.setSelectionRange(box.value.length, box.value.length);
  event.target.scrollIntoView({ block: "nearest" });
}, { capture: true });

log.addEventListener("input", (event) => {
  const form = event.target.closest("details.edit form");
  if (form && crypto.randomUUID) form.elements.namedItem("client_message_id").value = crypto.randomUUID();
});

log.addEventListener("keydown", (event) => {
  const edit = event.target.closest("details.edit[open]");
  if (!edit) return;
  if (event.key === "Escape") {
    edit.open = false;
    edit.querySelector("summary").focus();
  } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
    edit.querySelector("form").requestSubmit();
  }
});
