// Shows the password that is being typed, or hides it. Without this program a link on the page does.
"use strict";
for (const box of document.querySelectorAll("[data-show]")) {
  box.hidden = false;
  const input = document.getElementById("password");
  const check = box.querySelector("input");
  const set = () => { input.type = check.checked ? "text" : "password"; };
  check.addEventListener("change", set);
  set();
  document.querySelector("[data-show-link]")?.remove();
  input.form.addEventListener("submit", () => { input.type = "password"; }); // browsers keep what was typed into texts
}
