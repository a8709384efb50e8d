// Follows the newest words only for a reader who is already there; others get a pill.
const pill = document.querySelector("#newest");
const log = document.querySelector("#log");
const page = document.scrollingElement;
const NEAR = 64; // px
let atEnd = true;

const distance = () => page.scrollHeight - page.clientHeight - page.scrollTop;
const toEnd = () => {
  page.scrollTop = page.scrollHeight;
};

addEventListener("scroll", () => {
  atEnd = distance() < NEAR;
  if (atEnd) pill.hidden = true;
}, { passive: true });

new ResizeObserver(() => {
  if (atEnd) toEnd();
  else pill.hidden = distance() < NEAR || !log.querySelector('.answer[data-status="streaming"]');
}).observe(log);

document.querySelector("#composer").addEventListener("htmx:before:request", () => {
  atEnd = true; // one's own message is worth a jump
});
pill.addEventListener("click", () => {
  atEnd = true;
  pill.hidden = true;
  toEnd();
});
if (!location.hash) toEnd();
