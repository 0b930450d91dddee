// Keeps « Mes orientations » up to date: asks for the list every two seconds while the page is visible.
"use strict";
(() => {
  const list = document.getElementById("liste");
  let shown = list.innerHTML.trim();
  const refresh = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(list.dataset.source, { redirect: "error" });
        if (answer.ok) {
          const text = (await answer.text()).trim();
          if (text !== shown) {
            list.innerHTML = shown = text;
          }
        }
      } catch {
        // the platform is restarting, or the session has ended: the list stays as it was
      }
    }
    setTimeout(refresh, 2000);
  };
  setTimeout(refresh, 2000);
})();
