// Seconds until a message can be sent again.
setInterval(() => {
  for (const line of document.querySelectorAll("[data-countdown]")) {
    const end = (line.dataset.end ??= Date.now() + line.dataset.seconds * 1000);
    const left = Math.ceil((end - Date.now()) / 1000);
    const [wait, ready] = line.querySelectorAll(":scope > span");
    if (left > 0) wait.querySelector("b").textContent = left;
    wait.hidden = left <= 0;
    ready.hidden = left > 0;
  }
}, 250);
