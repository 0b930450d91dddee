// Fills the login form with a demonstration account. Without scripts the buttons stay hidden.
"use strict";
const form = document.getElementById("connexion");
for (const button of document.querySelectorAll("button[data-login]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    form.elements.login.value = button.dataset.login;
    form.elements.password.value = button.dataset.password;
    form.querySelector("button[type=submit]").focus();
  });
}
