// On a phone: the worker that keeps the page's shell, and nothing personal left behind after logging out.
const tellLanguage = ({ active }) => active?.postMessage({ language: document.documentElement.lang });

// Behind everything that the first visit needs.
addEventListener("load", () => setTimeout(async () => {
  try {
    await navigator.serviceWorker?.register("/worker.js", { updateViaCache: "none" });
    await navigator.serviceWorker?.ready.then(tellLanguage);
  } catch {
    // No worker, as in a private window: the page needs none.
  }
}, 1000));

const forget = () => {
  try {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith("draft:")) sessionStorage.removeItem(key);
  } catch {
    // Storage is off: there is nothing in it.
  }
};

// Other tabs hold drafts of their own.
const others = "BroadcastChannel" in window ? new BroadcastChannel("nightlight") : null;
others?.addEventListener("message", (event) => event.data === "forget" && forget());
document.addEventListener("submit", (event) => {
  if (!event.target.matches('form[action$="/accounts/logout/"], form[data-forget]')) return;
  forget();
  others?.postMessage("forget");
});
