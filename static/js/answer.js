// Beside an answer: copy it; leave the page so that Back does not return to it.
document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard?.writeText(document.getElementById(copy.dataset.copy).innerText);
    const use = copy.querySelector("use");
    const icon = use.getAttribute("href");
    use.setAttribute("href", icon.replace(/#.*/, "#done"));
    setTimeout(() => use.setAttribute("href", icon), 1500);
  }
  const leave = event.target.closest("[data-leave]");
  if (leave) {
    event.preventDefault();
    document.body.hidden = true; // at once, however slow the network is
    document.title = "";
    location.replace(leave.href);
  }
});
// What asks for more, once a thumb was pressed, comes up from behind the message box.
document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("details.comment") && event.target.open) event.target.scrollIntoView({ block: "nearest" });
}, { capture: true });
