// Follows the newest words only for a reader who is already there; others get a pill.
const pill = document.querySelector("#newest");
const log = document.querySelector("#log");
const page = document.scrollingElement;
const NEAR = 64; // px
let atEnd = log.childElementCount > 0; // an empty page is read from its top

const distance = () => page.scrollHeight - page.clientHeight - page.scrollTop;
const toEnd = () => {
  page.scrollTop = page.scrollHeight;
};

let atCard = false; // the page has put a card in sight: it stays there until the reader moves
for (const move of ["wheel", "touchmove", "pointerdown", "keydown"]) {
  addEventListener(move, () => { atCard = false; }, { passive: true });
}

addEventListener("scroll", () => {
  if (atCard) return;
  atEnd = distance() < NEAR;
  if (atEnd) pill.hidden = true;
}, { passive: true });

// An emergency card is read from its top: going with the end would push it out of sight.
const carded = new Set();
const toCard = () => {
  const card = log.querySelector('.answer:last-of-type .card[data-severity="emergency"]');
  const article = card?.closest(".answer");
  if (!article || carded.has(article.id)) return false;
  carded.add(article.id);
  atEnd = false;
  atCard = true;
  card.scrollIntoView({ block: "start" });
  return true;
};

new ResizeObserver(() => {
  if (atEnd && toCard()) return;
  if (atEnd) toEnd();
  else pill.hidden = distance() < NEAR || !log.querySelector('.answer[data-status="streaming"]');
}).observe(log);

// One's own message is worth a jump, and so is one that was changed.
document.addEventListener("htmx:before:request", (event) => {
  if (event.target.matches?.("#composer, .edit form, form.again")) {
    atEnd = true;
    atCard = false;
  }
});
// What came during a pause is read from where the reader stopped.
document.addEventListener("submit", (event) => {
  if (event.target.matches("form.resume")) atEnd = false;
});
pill.addEventListener("click", () => {
  atEnd = true;
  pill.hidden = true;
  toEnd();
});
if (!location.hash && atEnd) toEnd();
