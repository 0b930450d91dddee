// The search: suggestions as one types (ARIA combobox with a list), and the map linked to the cards both ways.
"use strict";
(() => {
  const suggest = (input) => {
    const list = document.createElement("ul");
    list.id = `${input.id}-liste`;
    list.className = "suggestions";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Suggestions");
    list.hidden = true;
    input.after(list);
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-controls", list.id);
    input.setAttribute("aria-expanded", "false");
    let chosen = -1, asked = 0, pending = null, timer = 0;

    const close = () => {
      list.hidden = true;
      chosen = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    };
    const mark = (index) => {
      chosen = index;
      [...list.children].forEach((option, number) => option.setAttribute("aria-selected", String(number === index)));
      const option = list.children[index];
      if (option) {
        input.setAttribute("aria-activedescendant", option.id);
        option.scrollIntoView({ block: "nearest" });
      } else {
        input.removeAttribute("aria-activedescendant");
      }
    };
    const take = (option) => {
      input.value = option.dataset.value;
      asked += 1;
      close();
    };
    const open = (texts) => {
      list.replaceChildren(...texts.map((text, index) => {
        const option = document.createElement("li");
        option.id = `${list.id}-${index}`;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.dataset.value = text;
        option.textContent = text;
        option.addEventListener("mousedown", (event) => { event.preventDefault(); take(option); });
        return option;
      }));
      chosen = -1;
      list.hidden = texts.length === 0;
      input.setAttribute("aria-expanded", String(texts.length > 0));
    };
    const ask = async () => {
      const number = asked += 1;
      if (pending) pending.abort();
      pending = new AbortController();
      const query = new URLSearchParams({ champ: input.dataset.suggest, q: input.value });
      try {
        const signal = AbortSignal.any([pending.signal, AbortSignal.timeout(3000)]);
        const answer = await fetch(`/sas/suggestions?${query}`, { redirect: "error", signal });
        const texts = answer.ok ? await answer.json() : [];
        if (number === asked && document.activeElement === input) open(texts);
      } catch {
        // too late or no session: one can go on typing without suggestions
      }
    };
    input.addEventListener("input", () => {
      clearTimeout(timer);
      asked += 1;
      if (input.value.trim()) timer = setTimeout(ask, 120);
      else close();
    });
    input.addEventListener("keydown", (event) => {
      const count = list.children.length;
      if (event.key === "ArrowDown" && list.hidden && input.value.trim()) ask();
      else if (list.hidden) return;
      else if (event.key === "ArrowDown") mark((chosen + 1) % count);
      else if (event.key === "ArrowUp") mark((chosen + count - 1 + (chosen < 0)) % count);
      else if (event.key === "Enter" && chosen >= 0) take(list.children[chosen]);
      else if (event.key === "Escape") close();
      else return;
      event.preventDefault();
    });
    input.addEventListener("blur", close);
  };
  document.querySelectorAll("input[data-suggest]").forEach(suggest);

  const found = document.getElementById("resultats");
  if (!found) return;
  const light = (node) => {
    const at = node && node.closest("[data-mark], [data-card]");
    const id = at ? at.dataset.mark || at.dataset.card : "";
    found.querySelectorAll("[data-lit]").forEach((node) => node.removeAttribute("data-lit"));
    if (id) {
      found.querySelectorAll(`[data-mark="${CSS.escape(id)}"], [data-card="${CSS.escape(id)}"]`)
        .forEach((node) => node.setAttribute("data-lit", ""));
    }
  };
  // A page that scrolls under a pointer at rest enters other nodes too: that is not what somebody points at.
  // It may also take the results away from under the pointer, which then moves without ever leaving them.
  let rest = "";
  let pointed = false;
  const where = (event) => `${event.screenX} ${event.screenY}`;
  const point = (node) => { pointed = node !== null; light(node); };
  found.addEventListener("pointerover", (event) => { if (where(event) !== rest) point(event.target); });
  document.addEventListener("pointermove", (event) => {
    rest = where(event);
    if (pointed && !found.contains(event.target)) point(null);
  });
  found.addEventListener("pointerleave", (event) => { if (where(event) !== rest) point(null); });
  found.addEventListener("focusin", (event) => light(event.target));
  found.addEventListener("focusout", (event) => { if (!found.contains(event.relatedTarget)) light(null); });
  found.addEventListener("click", (event) => {
    const mark = event.target.closest("[data-mark]");
    const card = mark && document.getElementById(`c-${mark.dataset.mark}`);
    if (!card) return;
    event.preventDefault();
    card.scrollIntoView({ block: "center" });
    (card.querySelector("a.slot") || card.querySelector("a"))?.focus({ preventScroll: true });
  });
})();
