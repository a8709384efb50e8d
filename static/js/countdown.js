// Times to come: seconds until a message can be sent again, and the time of day on the person's own clock.
const { lang } = document.documentElement;
const locale = navigator.languages.find((one) => one.split("-")[0] === lang) ?? lang; // en-GB has 21:00 where en has 9 PM
const onOwnClock = (time) => {
  const at = new Date(time.dateTime);
  const clock = new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" }).format(at);
  const isToday = at.toDateString() === new Date().toDateString();
  time.textContent = isToday ? clock : `${new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(1, "day")}, ${clock}`;
  time.removeAttribute("data-local");
};

setInterval(() => {
  for (const line of document.querySelectorAll("[data-countdown]")) {
    const end = (line.dataset.end ??= Date.now() + line.dataset.seconds * 1000);
    const left = Math.ceil((end - Date.now()) / 1000);
    const [wait, ready] = line.querySelectorAll(":scope > span");
    if (left > 0) wait.querySelector("b").textContent = left;
    wait.hidden = left <= 0;
    ready.hidden = left > 0;
  }
  document.querySelectorAll("time[data-local]").forEach(onOwnClock);
  for (const form of document.querySelectorAll("form[data-from][hidden]")) form.hidden = Date.now() < Date.parse(form.dataset.from);
}, 250);
