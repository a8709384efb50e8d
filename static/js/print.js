// The print page: a button for what the browser's menu has.
document.querySelector("[data-print]").addEventListener("click", () => print());
