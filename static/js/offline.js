// The page without a network: keeps what is written for the message box, and goes back by itself.
const box = document.querySelector("#draft");
const again = document.querySelector("#again");
const line = document.querySelector("#still-offline");
const LOOK = 10_000; // ms
const isChat = /^\/(c\/[0-9a-f-]{36}\/)?$/.test(location.pathname);
const key = `draft:${isChat ? location.pathname : "/"}`; // as composer.js has it

const keep = () => {
  try {
    if (box.value) sessionStorage.setItem(key, box.value);
    else sessionStorage.removeItem(key);
  } catch {
    // Storage is off: the words last as long as the page.
  }
};

// `navigator.onLine` only says that there is some network: we ask whether it leads to us.
const look = async () => {
  try {
    const reply = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout?.(5_000) });
    if (!reply.ok) return false;
  } catch {
    return false;
  }
  keep();
  location.reload();
  return true;
};

try {
  box.value ||= sessionStorage.getItem(key) ?? "";
} catch {
  // Storage is off: the box is empty.
}
box.addEventListener("input", keep);
again.addEventListener("click", async () => {
  line.hidden = true;
  line.hidden = await look();
});
addEventListener("online", look);
setInterval(() => document.hidden || look(), LOOK);
document.addEventListener("visibilitychange", () => document.hidden || look());
