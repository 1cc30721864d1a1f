// Keyboard: `?` opens the shortcuts, `/` goes to the search, g then a letter goes to a page of the navigation,
// and arrows walk over a grid marked data-roving (the casebook): one Tab stop for the whole grid.

const typing = (target) => target.closest?.("input, select, textarea, [contenteditable]");

let leader = false;

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (leader) {
    leader = false;
    const link = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    if (link) {
      event.preventDefault();
      link.click();
    }
    return;
  }
  if (event.key === "?") {
    const dialog = document.getElementById("shortcuts-dialog");
    if (dialog) {
      event.preventDefault();
      dialog.showModal();
    }
  } else if (event.key === "/") {
    const search = document.querySelector("[data-search]");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select?.();
    }
  } else if (event.key === "g") {
    leader = true;
    setTimeout(() => { leader = false; }, 1200);
  }
});

/* Roving focus: rows are <tr>, stops are [data-cell] */
const stop = (cell) => cell?.querySelector("[data-cell]") ?? null;

function arm(grid) {
  const stops = [...grid.querySelectorAll("[data-cell]")];
  if (!stops.length) return;
  const current = stops.find((element) => element.matches("[data-cell-start]")) ?? stops[0];
  stops.forEach((element) => { element.tabIndex = element === current ? 0 : -1; });
}

function go(from, to) {
  if (!to) return;
  from.tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
  to.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function walk(cell, rowStep, columnStep) {
  if (columnStep) {
    let next = columnStep > 0 ? cell.nextElementSibling : cell.previousElementSibling;
    while (next && !stop(next)) next = columnStep > 0 ? next.nextElementSibling : next.previousElementSibling;
    return stop(next);
  }
  const rows = [...cell.closest("table").rows];
  const column = cell.cellIndex;
  for (let row = rows.indexOf(cell.parentElement) + rowStep; row >= 0 && row < rows.length; row += rowStep) {
    const found = stop(rows[row].cells[column]);
    if (found) return found;
  }
  return null;
}

document.addEventListener("keydown", (event) => {
  const element = event.target.closest?.("[data-roving] [data-cell]");
  if (!element || event.ctrlKey || event.metaKey || event.altKey) return;
  const cell = element.closest("td, th");
  const row = cell.parentElement;
  const stops = [...row.querySelectorAll("[data-cell]")];
  const target = {
    ArrowRight: () => walk(cell, 0, 1),
    ArrowLeft: () => walk(cell, 0, -1),
    ArrowDown: () => walk(cell, 1, 0),
    ArrowUp: () => walk(cell, -1, 0),
    Home: () => stops[0],
    End: () => stops.at(-1),
  }[event.key]?.();
  if (target === undefined) return;
  event.preventDefault();
  go(element, target);
});

document.addEventListener("focusin", (event) => {
  const element = event.target.closest?.("[data-roving] [data-cell]");
  if (!element || element.tabIndex === 0) return;
  element.closest("[data-roving]").querySelectorAll("[data-cell][tabindex='0']").forEach((other) => { other.tabIndex = -1; });
  element.tabIndex = 0;
});

const armAll = (scope) => {
  if (scope.matches?.("[data-roving]")) arm(scope);
  scope.querySelectorAll?.("[data-roving]").forEach(arm);
};
armAll(document);
document.addEventListener("htmx:afterSettle", (event) => armAll(event.detail.elt.parentElement ?? document));
