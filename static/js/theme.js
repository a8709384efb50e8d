// The light switch: as the device, dawn, night or dim; kept on this device.
const choice = document.querySelector("#theme");
choice.value = document.documentElement.dataset.theme ?? "";
choice.addEventListener("change", () => {
  if (choice.value) document.documentElement.dataset.theme = choice.value;
  else delete document.documentElement.dataset.theme;
  document.dispatchEvent(new Event("theme"));
  try {
    if (choice.value) localStorage.setItem("theme", choice.value);
    else localStorage.removeItem("theme");
  } catch {
    // Storage is off: it lasts as long as the page.
  }
});
