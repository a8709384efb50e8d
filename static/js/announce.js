// An answer for those who listen: each finished sentence once, or all of it at the end, or nothing; never half a
// sentence. The log itself is silent (aria-live="off"), or a screen reader would say every piece of every word.
const log = document.querySelector("#log");
const region = document.querySelector("#announcer");
const choice = document.querySelector("#spoken");
const REST = 1_500; // ms between two announcements
const LINGER = 8_000; // then the words go: they stand on the page already

const reading = new Map(); // by the id of an article: how many sentences of it were said
let waiting = []; // to be said
let timer = 0;
let cleaning = 0;
let last = 0;

const segmenters = {};
const sentencesOf = (line) => {
  if (!Intl.Segmenter) return line.split(/(?<=[.?!…؟۔।]["'”’»)\]]*)\s+|(?<=[。！？][”’」』）]*)/u);
  const lang = document.documentElement.lang;
  segmenters[lang] ??= new Intl.Segmenter(lang, { granularity: "sentence" });
  return [...segmenters[lang].segment(line)].map(({ segment }) => segment);
};

// The sentences of a text; while it grows, without the last one, which may go on.
const finished = (text, isGrowing) => {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  const all = lines.flatMap((line) => sentencesOf(line).map((one) => one.trim()).filter(Boolean));
  return isGrowing ? all.slice(0, -1) : all;
};

const mode = () => choice?.value ?? "sentence";

const say = () => {
  timer = 0;
  collect();
  if (waiting.length === 0) return;
  last = Date.now();
  region.textContent = waiting.join(" ");
  waiting = [];
  clearTimeout(cleaning);
  cleaning = setTimeout(() => { region.textContent = ""; }, LINGER);
};
const soon = () => { timer ||= setTimeout(say, Math.max(100, last + REST - Date.now())); };

function collect() {
  for (const [id, said] of reading) {
    const article = document.getElementById(id);
    const isGrowing = article?.dataset.status === "streaming";
    if (article && mode() !== "off" && !(isGrowing && mode() === "end")) {
      const sentences = finished(article.querySelector(".prose")?.innerText ?? "", isGrowing);
      waiting.push(...sentences.slice(said));
      reading.set(id, Math.max(sentences.length, said));
    }
    if (!isGrowing) reading.delete(id);
  }
}

// Only of answers that came while the page stood here; what was loaded with it is read from the page.
new MutationObserver(() => {
  for (const article of log.querySelectorAll('.answer[data-status="streaming"]')) {
    if (!reading.has(article.id)) reading.set(article.id, 0);
  }
  if (reading.size) soon();
}).observe(log, { childList: true, subtree: true, characterData: true });
for (const article of log.querySelectorAll('.answer[data-status="streaming"]')) {
  reading.set(article.id, finished(article.querySelector(".prose")?.innerText ?? "", true).length);
}

try {
  choice.value = localStorage.getItem("spoken") ?? "sentence";
} catch {
  // Storage is off: sentence by sentence.
}
choice?.addEventListener("change", () => {
  try {
    localStorage.setItem("spoken", choice.value);
  } catch {
    // It lasts as long as the page.
  }
});
