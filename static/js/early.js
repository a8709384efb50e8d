// Before the first paint: the light that was chosen here, and whether scripts run at all.
document.documentElement.classList.add("js");
try {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Storage is off: the device's light is used.
}
