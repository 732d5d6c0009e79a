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

  // A picture that is wider than its place: it starts at the output, the rows keep their names, and it can be shrunk.
  function sideways(picture, place) {
    if (place.scrollWidth <= place.clientWidth + 1) return;
    const names = [...picture.querySelectorAll(".row-names text")].map((text) => [text, text.getAttribute("y")]);
    const keepNames = () => {
      const scale = picture.viewBox.baseVal.width / picture.getBoundingClientRect().width;
      for (const [text, y] of names) {
        text.setAttribute("transform", `translate(${place.scrollLeft * scale} 0)`);
        text.setAttribute("y", place.scrollLeft > 0 ? text.dataset.above : y); // beside no box, or above them
      }
    };
    const toOutput = () => {
      const output = picture.querySelector(".output").getBoundingClientRect();
      const here = place.getBoundingClientRect();
      place.scrollLeft += output.left + output.width / 2 - here.left - here.width / 2;
      keepNames();
    };
    const note = document.createElement("p");
    const button = document.createElement("button");
    note.className = "note sideways";
    button.type = "button";
    button.textContent = "Show it whole";
    button.addEventListener("click", () => {
      button.textContent = picture.classList.toggle("whole") ? "Show it at full size" : "Show it whole";
      toOutput();
    });
    note.append("Wider than the screen: it scrolls to the side. ", button);
    place.before(note);
    place.addEventListener("scroll", keepNames, { passive: true });
    toOutput();
  }

  // Pointing at a node in a picture lights its edges.
  for (const picture of document.querySelectorAll(".circuit")) {
    if (picture.parentElement.matches(".scroll")) sideways(picture, picture.parentElement);
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
