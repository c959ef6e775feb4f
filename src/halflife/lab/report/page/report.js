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
  const figure = plot.closest("[data-cells]");
  if (figure && !drawn.has(plot)) {
    plot.on("plotly_click", ({ points }) => reveal(figure, points[0].y, points[0].x));
  }
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
  turn(-page);
}

headings.forEach((heading, column) => heading.firstElementChild.addEventListener("click", () => sortBy(column)));

const filter = document.getElementById("filter");
const PAGE = 25;
let page = 0;

/** The rows that the filter leaves, in their order. */
function chosen() {
  return [...body.rows].filter((row) => filter.value === "" || row.dataset.optimizer === filter.value);
}

function show() {
  const rows = chosen();
  const last = Math.max(0, Math.ceil(rows.length / PAGE) - 1);
  page = Math.min(Math.max(page, 0), last);
  for (const row of body.rows) row.hidden = true;
  rows.slice(page * PAGE, (page + 1) * PAGE).forEach((row) => { row.hidden = false; });
  document.getElementById("count").textContent = `${rows.length} cells`;
  document.getElementById("page").textContent = `${page + 1} of ${last + 1}`;
  document.getElementById("before").disabled = page === 0;
  document.getElementById("after").disabled = page === last;
}

function turn(by) {
  page += by;
  show();
}

filter.addEventListener("change", () => turn(-page));
document.getElementById("before").addEventListener("click", () => turn(-1));
document.getElementById("after").addEventListener("click", () => turn(1));
addEventListener("beforeprint", () => [...body.rows].forEach((row) => { row.hidden = false; }));
addEventListener("afterprint", show);
show();

/** All cells that the filter leaves, numbers in full, as RFC 4180 has it. */
function csv() {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const entry = (cell) => quoted(cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v);
  const lines = [headings.map((one) => quoted(one.textContent.trim())), ...chosen().map((row) => [...row.cells].map(entry))];
  return lines.map((line) => line.join(",") + "\r\n").join("");
}

document.getElementById("csv").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", csv()], { type: "text/csv;charset=utf-8" }));
  link.download = "cells.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
});

/** Show the curve of a cell, all others pale; where there are no curves, its row in the table. */
function reveal(figure, lr, lam) {
  const curves = document.getElementById(figure.dataset.cells);
  if (curves) {
    curves.open = true;
    const plots = [...curves.querySelectorAll(".plot")];
    plots.filter((plot) => !plot.classList.contains("drawn")).forEach(draw);
    plots.forEach((plot, row) => {
      const { data } = read(plot.nextElementSibling);
      const opacity = data.map((line) => (row === lr && line.meta === lam ? 1 : 0.12));
      Plotly.restyle(plot, { opacity });
      plot.closest("figure").classList.toggle("chosen", row === lr);
    });
    plots[lr].scrollIntoView({ block: "center" });
    return;
  }
  const { study, optimizer } = figure.dataset;
  const all = [...body.rows].filter((row) => row.dataset.optimizer === optimizer && (row.dataset.study ?? study) === study);
  const row = all.find((one) => Number(one.dataset.row) === lr && Number(one.dataset.column) === lam);
  if (!row) return;
  filter.value = "";
  page = Math.floor(chosen().indexOf(row) / PAGE);
  show();
  body.querySelectorAll(".found").forEach((one) => one.classList.remove("found"));
  row.classList.add("found");
  row.scrollIntoView({ block: "center" });
}
