// Between the pages and the network, for a phone that loses it. Served from the root with VERSION and SHELL before it.
// It keeps style sheets, scripts, pictures and one page without a word about anybody: never a page, never a stream.
const KEPT = `nightlight-${VERSION}`;
const OFFLINE = "/offline";

const offlineAddress = () => `${OFFLINE}?timezone=${encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone ?? "")}`;
const keepOfflinePage = async () => {
  const page = await fetch(offlineAddress(), { cache: "no-store" });
  if (page.ok) await (await caches.open(KEPT)).put(OFFLINE, page);
};

addEventListener("install", (event) => {
  skipWaiting();
  event.waitUntil(caches.open(KEPT).then((kept) => kept.addAll(SHELL)).then(keepOfflinePage));
});

addEventListener("activate", (event) => {
  const clean = async () => {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => name !== KEPT).map((name) => caches.delete(name)));
    await registration.navigationPreload?.enable();
    await clients.claim();
  };
  event.waitUntil(clean());
});

// A page tells its language: the offline page is to speak the same.
addEventListener("message", (event) => {
  const follow = async () => {
    const page = await caches.match(OFFLINE);
    if (page?.headers.get("Content-Language") !== event.data.language) await keepOfflinePage();
  };
  if (event.data?.language) event.waitUntil(follow().catch(() => {}));
});

const page = async (event) => {
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    return (await caches.match(OFFLINE)) ?? Response.error();
  }
};

// An address with a version never changes what it says; another is asked for first.
const file = async (request, isForGood) => {
  const kept = await caches.open(KEPT);
  const known = await kept.match(request);
  if (known && isForGood) return known;
  try {
    const reply = await fetch(request);
    if (reply.status === 200 && isForGood) await kept.put(request, reply.clone());
    return reply;
  } catch {
    return known ?? Response.error();
  }
};

// All else goes its way without us: forms, streams, polls, the interface for programs, the staff's pages.
addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname, searchParams } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin || pathname.startsWith("/admin/")) return;
  if (request.mode === "navigate") event.respondWith(page(event));
  else if (pathname.startsWith("/static/")) event.respondWith(file(request, searchParams.has("v") || pathname.includes("/fonts/")));
});
