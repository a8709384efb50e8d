// Before the first paint: the light that was chosen here, and whether scripts run at all.
document.documentElement.classList.add("js");
try {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Storage is off: the device's light is used.
}

// The phone's own bars go with the page: --ground of tokens.css, which a meta element cannot read.
{
  const GROUND = { dawn: "#f9f4ec", night: "#17110d", dim: "#070403" };
  const paintBars = () => {
    for (const meta of document.querySelectorAll('meta[name="theme-color"]')) {
      meta.content = GROUND[document.documentElement.dataset.theme] ?? GROUND[meta.media.includes("dark") ? "night" : "dawn"];
    }
  };
  document.addEventListener("theme", paintBars);
  paintBars();
}
