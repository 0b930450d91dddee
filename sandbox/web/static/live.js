// Keeps the parts of a page that carry data-live="<address of a stream>" as the server has them: each event « contenu »
// is the part's whole HTML. What did not change stays the same node, so focus, scroll position and opened details stay.
// `data-live-state` on the part says how it stands: live, lost, done (after an event « fin »).
"use strict";
(() => {
  const key = (node) => (node.nodeType === 1 ? node.dataset.key || node.id : "");
  const alike = (one, two) => one.nodeName === two.nodeName && key(one) === key(two);
  const ours = (name) => name === "open" || name.startsWith("data-lit"); // what people and scripts have set

  const attributes = (node, wanted) => {
    for (const { name } of [...node.attributes]) {
      if (!wanted.hasAttribute(name) && !ours(name)) node.removeAttribute(name);
    }
    for (const { name, value } of wanted.attributes) {
      if (node.getAttribute(name) !== value && !ours(name)) node.setAttribute(name, value);
    }
  };

  const children = (node, wanted) => {
    let next = node.firstChild;
    for (const child of [...wanted.childNodes]) {
      let match = next;
      while (match && !alike(match, child)) match = match.nextSibling;
      if (match) {
        if (match === next) next = next.nextSibling;
        else node.insertBefore(match, next);
        become(match, child);
      } else {
        node.insertBefore(child, next);
      }
    }
    while (next) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
  };

  const become = (node, wanted) => {
    if (node.nodeType !== 1) {
      if (node.data !== wanted.data) node.data = wanted.data;
    } else if (!node.isEqualNode(wanted)) {
      attributes(node, wanted);
      children(node, wanted);
    }
  };

  const show = (part, html) => {
    const wanted = document.createElement("template");
    wanted.innerHTML = html;
    const focused = document.activeElement;
    children(part, wanted.content);
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    part.dispatchEvent(new CustomEvent("shown", { bubbles: true }));
  };

  const follow = (part) => {
    const stream = new EventSource(part.dataset.live);
    const state = (word) => { part.dataset.liveState = word; };
    stream.addEventListener("open", () => state("live"));
    stream.addEventListener("error", () => state("lost"));
    stream.addEventListener("contenu", (event) => show(part, event.data));
    stream.addEventListener("fin", () => {
      stream.close();
      state("done");
      part.removeAttribute("aria-busy");
    });
    addEventListener("pagehide", () => stream.close());
  };
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  document.querySelectorAll("[data-live]").forEach(follow);
})();
