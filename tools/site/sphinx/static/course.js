// A formula that is wider than the page scrolls, so the keyboard must reach it.
addEventListener("DOMContentLoaded", () => {
  const update = () => {
    for (const formula of document.querySelectorAll("div.formula")) {
      if (formula.scrollWidth > formula.clientWidth) {
        formula.tabIndex = 0;
      } else {
        formula.removeAttribute("tabindex");
      }
    }
  };
  update();
  document.fonts?.ready.then(update);
  addEventListener("resize", update);
});
