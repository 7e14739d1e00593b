"use strict";

const ROWS_PER_PAGE = 100;

// A table that can be sorted, a page at a time. A column has a label, a
// function `value` from the index of a row, and where they are needed `format`
// and `isText`. The first column names the row. It tells by onMark(index) which
// row the user chose; `rowName` is what a row is, such as "trial".
function makeTable(wrapper, columns, numRows, rowName, onMark) {
  const order = Array.from({length: numRows}, (_, index) => index);
  let sorted = {column: 0, isDescending: false};
  let page = 0;
  let marked = null;

  const previous = document.getElementById("previous");
  const next = document.getElementById("next");
  previous.addEventListener("click", () => turnTo(page - 1));
  next.addEventListener("click", () => turnTo(page + 1));
  const table = add(wrapper, "table");
  const headings = add(add(table, "thead"), "tr");
  const body = add(table, "tbody");
  columns.forEach((column, index) => {
    const heading = add(headings, "th", {scope: "col"});
    column.heading = heading;
    column.button = add(heading, "button", {type: "button"}, column.label);
    column.button.addEventListener("click", () => sort(index));
  });

  function sort(index) {
    const isDescending = sorted.column === index && !sorted.isDescending;
    sorted = {column: index, isDescending};
    const value = columns[index].value;
    const sign = isDescending ? -1 : 1;
    order.sort((a, b) => compare(value(a), value(b), sign) || a - b);
    turnTo(0);
  }

  function show(wanted) {
    const numPages = Math.max(1, Math.ceil(order.length / ROWS_PER_PAGE));
    page = Math.min(Math.max(wanted, 0), numPages - 1);
    const first = page * ROWS_PER_PAGE;
    const rows = order.slice(first, first + ROWS_PER_PAGE);
    body.replaceChildren();
    rows.forEach(addRow);
    columns.forEach(({heading, button, label}, index) => {
      const isSorted = index === sorted.column;
      const direction = sorted.isDescending ? "descending" : "ascending";
      if (isSorted) heading.setAttribute("aria-sort", direction);
      else heading.removeAttribute("aria-sort");
      button.textContent = label +
        (isSorted ? (sorted.isDescending ? " ▼" : " ▲") : "");
    });
    previous.disabled = page === 0;
    next.disabled = page === numPages - 1;
    document.getElementById("range").textContent = rows.length
      ? `${formatValue(first + 1)}–${formatValue(first + rows.length)} of ` +
        formatValue(order.length)
      : `no ${rowName}s`;
  }

  function turnTo(wanted) {
    show(wanted);
    wrapper.scrollTop = 0;
  }

  function addRow(index) {
    const row = add(body, "tr");
    row.dataset.row = index;
    columns.forEach((column, position) => {
      const value = column.value(index);
      const format = column.format || formatValue;
      const cell = add(row, "td", {class: column.isText ? "text" : "number"});
      if (position === 0) {
        add(cell, "button", {
          type: "button", "aria-label": `Mark ${rowName} ${value}`},
          formatValue(value));
      } else {
        cell.textContent = format(value);
      }
    });
    if (index === marked) row.setAttribute("aria-current", "true");
    row.addEventListener("click", () => onMark(index));
  }

  show(0);
  return {
    mark(index) {
      marked = index;
      const position = order.indexOf(index);
      if (position < 0) {
        show(page);
        return;
      }
      const wantedPage = Math.floor(position / ROWS_PER_PAGE);
      if (wantedPage !== page) show(wantedPage);
      for (const row of body.children) {
        const isMarked = Number(row.dataset.row) === index;
        if (!isMarked) {
          row.removeAttribute("aria-current");
          continue;
        }
        row.setAttribute("aria-current", "true");
        // Not scrollIntoView: it would move the whole page too.
        const room = wrapper.clientHeight - row.offsetHeight;
        const isVisible = row.offsetTop > wrapper.scrollTop +
          headings.offsetHeight && row.offsetTop < wrapper.scrollTop + room;
        if (!isVisible) wrapper.scrollTop = row.offsetTop - room / 2;
      }
    },
  };
}

// Numbers by size, texts by letters; what is missing comes last either way.
function compare(a, b, sign) {
  const areMissing = [a, b].map(
    (value) => value === null || value === undefined);
  if (areMissing[0] || areMissing[1]) return areMissing[0] - areMissing[1];
  return sign * (isNumber(a) && isNumber(b)
    ? a - b : String(a).localeCompare(String(b), "en", {numeric: true}));
}
