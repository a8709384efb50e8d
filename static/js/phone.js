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

const FORGETS = "form[data-forget]"; // deletes the account: the drafts go when it was done, and stay where it was refused
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
const forgetEverywhere = () => {
  forget();
  others?.postMessage("forget");
};
document.addEventListener("submit", ({ target }) => {
  if (target.matches('form[action$="/accounts/logout/"]')) forgetEverywhere();
  if (!target.matches(FORGETS)) return;
  try {
    sessionStorage.setItem("forget", "");
  } catch {
    // Storage is off: there is no draft.
  }
});

// The page after that form; with the form on it, nothing was deleted.
try {
  if (sessionStorage.getItem("forget") !== null && !document.querySelector(FORGETS)) forgetEverywhere();
  sessionStorage.removeItem("forget");
} catch {
  // Storage is off.
}
