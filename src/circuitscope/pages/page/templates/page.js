// Niceties only: the page says everything without them.
(() => {
  const list = document.querySelector("#nodes .nodes");
  const items = [...list.children];
  const card = (name) => document.getElementById(name);

  // Find and sort.
  const filter = document.getElementById("filter");
  const found = document.getElementById("found");
  const order = {
    rank: (a, b) => a.dataset.rank - b.dataset.rank,
    effect: (a, b) => b.dataset.effect - a.dataset.effect,
    site: (a, b) => a.dataset.place - b.dataset.place,
  };
  document.querySelector(".tools").hidden = false;
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const item of items) {
      item.hidden = !words.every((word) => item.dataset.words.includes(word));
      count += !item.hidden;
    }
    found.textContent = words.length ? `${count} of ${items.length}` : "";
  });
  document.getElementById("sort").addEventListener("change", (event) => {
    list.append(...items.sort(order[event.target.value]));
  });
  const openAll = document.getElementById("open-all");
  openAll.addEventListener("click", () => {
    const open = openAll.textContent === "Open all";
    for (const item of items) item.firstElementChild.open = open;
    openAll.textContent = open ? "Close all" : "Open all";
  });

  // A link to a node opens its card.
  const show = () => {
    const target = card(decodeURIComponent(location.hash.slice(1)));
    if (!target || !target.matches("details.node")) return;
    target.parentElement.hidden = false;
    target.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", show);
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest('a[href^="#node-"]');
    if (link && link.getAttribute("href") === location.hash) show();
  });
  show();
  addEventListener("beforeprint", () => {
    for (const item of document.querySelectorAll("details.node")) item.open = true;
  });

  // Pointing at a node in a picture lights its edges.
  for (const picture of document.querySelectorAll(".circuit")) {
    picture.parentElement.scrollLeft = picture.parentElement.scrollWidth; // the output is at the right
    const edges = [...picture.querySelectorAll("[data-from]")];
    for (const box of picture.querySelectorAll("[data-node]")) {
      const name = box.dataset.node;
      const light = (on) => {
        picture.classList.toggle("lit", on);
        for (const edge of edges)
          edge.classList.toggle("on", on && (edge.dataset.from === name || edge.dataset.to === name));
      };
      for (const event of ["pointerenter", "focus"]) box.addEventListener(event, () => light(true));
      for (const event of ["pointerleave", "blur"]) box.addEventListener(event, () => light(false));
    }
  }
})();
