// Draws the plots in the colours of the style sheet, when they come into view; sorts and filters the table of cells.
"use strict";

const CONFIG = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false };
const drawn = new Set();

/** The JSON of a script element, with every colour "@name" as the style sheet has --name now. */
function read(script) {
  const style = getComputedStyle(document.documentElement);
  const colour = (_, name) => JSON.stringify(style.getPropertyValue(`--${name}`).trim());
  return JSON.parse(script.textContent.replace(/"@([\w-]+)"/g, colour));
}

function draw(plot) {
  const { data, layout } = read(plot.nextElementSibling);
  layout.template = read(document.getElementById("template"));
  Plotly.react(plot, data, layout, CONFIG).then(() => plot.classList.add("drawn"));
  drawn.add(plot);
}

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) {
      seen.unobserve(target);
      draw(target);
    }
  }
}, { rootMargin: "600px" });

document.querySelectorAll(".plot").forEach((plot) => seen.observe(plot));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(draw));
addEventListener("beforeprint", () => document.querySelectorAll(".plot:not(.drawn)").forEach(draw));

const table = document.getElementById("all-cells");
const headings = [...table.tHead.rows[0].cells];
const body = table.tBodies[0];

/** What a row is sorted by: a number, text, or nothing, which comes last. */
function value(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.v === undefined) return cell.textContent;
  return cell.dataset.v === "" ? null : Number(cell.dataset.v);
}

function sortBy(column) {
  const heading = headings[column];
  const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  headings.forEach((one) => one.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const rows = [...body.rows].map((row) => [value(row, column), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "number" ? a - b : a.localeCompare(b));
  });
  body.append(...rows.map(([, row]) => row));
}

headings.forEach((heading, column) => heading.firstElementChild.addEventListener("click", () => sortBy(column)));

const filter = document.getElementById("filter");
function show() {
  let shown = 0;
  for (const row of body.rows) {
    row.hidden = filter.value !== "" && row.dataset.optimizer !== filter.value;
    shown += !row.hidden;
  }
  document.getElementById("count").textContent = `${shown} cells`;
}
filter.addEventListener("change", show);
show();
