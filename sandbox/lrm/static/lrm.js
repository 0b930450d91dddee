// Drag and drop of an orientation ([data-orientation]) on a case file ([data-drop]): it posts the same form that the
// page offers to those who use the keyboard or no script.
"use strict";
(() => {
  let dragged = null;
  const target = (event) => event.target.closest?.("[data-drop]");
  const clear = () => document.querySelectorAll("[data-lit-drop]").forEach((each) => each.removeAttribute("data-lit-drop"));

  addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.("[data-orientation]");
    if (dragged) event.dataTransfer.setData("text/plain", dragged.dataset.orientation);
  });
  addEventListener("dragover", (event) => {
    const file = target(event);
    if (!dragged || !file) return;
    event.preventDefault();
    if (!file.hasAttribute("data-lit-drop")) {
      clear();
      file.setAttribute("data-lit-drop", "");
    }
  });
  addEventListener("dragend", () => { dragged = null; clear(); });
  addEventListener("drop", (event) => {
    const file = target(event);
    if (!dragged || !file) return;
    event.preventDefault();
    clear();
    const form = dragged.querySelector("form[action$='/attach']");
    if (!form) return;
    const field = form.elements.case_file;
    if (![...(field.options ?? [])].some((each) => each.value === file.dataset.drop) && field.options) {
      field.add(new Option(file.dataset.drop, file.dataset.drop));
    }
    field.value = file.dataset.drop;
    form.submit();
  });
})();
