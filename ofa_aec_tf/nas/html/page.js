"use strict";

const ROWS_PER_PAGE = 100;

// The table of all trials, a page at a time. It tells by onMark(index) which
// row the user chose.
function makeTable(wrapper, data, onMark) {
  const columns = tableColumns(data);
  let order = data.trials.map((_, index) => index);
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
      : "no trials";
  }

  function turnTo(wanted) {
    show(wanted);
    wrapper.scrollTop = 0;
  }

  function addRow(index) {
    const row = add(body, "tr");
    row.dataset.trial = index;
    columns.forEach((column, position) => {
      const value = column.value(index);
      const format = column.format || formatValue;
      const cell = add(row, "td", {class: column.isText ? "text" : "number"});
      if (position === 0) {
        add(cell, "button", {
          type: "button", "aria-label": `Mark trial ${value}`},
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
        const isMarked = Number(row.dataset.trial) === index;
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

function tableColumns(data) {
  const budgets = data.trials.map((_, index) => data.budgets
    .filter((budget) => budget.chosen === index)
    .map((budget) => budget.name).join(", ") || null);
  const columns = [{label: "#", value: (index) => index + 1}];
  data.decisions.forEach((label, position) => columns.push(
    {label, format: formatChoice,
      value: (index) => data.trials[index].subnet[position]}));
  data.costs.forEach(({label}, position) => columns.push(
    {label, value: (index) => data.trials[index].costs[position]}));
  data.metrics.forEach(({label}, position) => columns.push({
    label, value: (index) => {
      const {metrics} = data.trials[index];
      return metrics && metrics[position];
    }}));
  columns.push(
    {label: "On the front",
      value: (index) => data.trials[index].on_front ? "yes" : "no"},
    {label: "Chosen for", isText: true, value: (index) => budgets[index]});
  if (data.trials.some((trial) => trial.failure !== null)) {
    columns.push({label: "Failure", isText: true,
      value: (index) => data.trials[index].failure});
  }
  return columns;
}

// Numbers by size, texts by letters; what is missing comes last either way.
function compare(a, b, sign) {
  const areMissing = [a, b].map(
    (value) => value === null || value === undefined);
  if (areMissing[0] || areMissing[1]) return areMissing[0] - areMissing[1];
  return sign * (isNumber(a) && isNumber(b)
    ? a - b : String(a).localeCompare(String(b), "en", {numeric: true}));
}

function subnetText(data, index) {
  const choices = data.decisions.map(
    (name, position) => [name, data.trials[index].subnet[position]]);
  return JSON.stringify(Object.fromEntries(
    choices.filter(([, choice]) => choice !== null)));
}

function start() {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const tooltip = byId("tooltip");

  function point(index, x, y) {
    tooltip.hidden = index === null;
    if (index === null) return;
    const trial = data.trials[index];
    tooltip.replaceChildren();
    add(tooltip, "strong", {}, `Trial ${index + 1}`);
    const list = add(tooltip, "dl");
    const rows = [
      ...data.metrics.map(
        ({label}, i) => [label, formatValue(trial.metrics[i])]),
      ...data.costs.map(({label}, i) => [label, formatValue(trial.costs[i])]),
    ];
    for (const [label, value] of rows) {
      add(list, "dt", {}, label);
      add(list, "dd", {}, value);
    }
    add(tooltip, "p", {}, data.decisions
      .map((name, i) => `${name} ${formatChoice(trial.subnet[i])}`)
      .filter((_, i) => trial.subnet[i] !== null).join(", "));
    const width = byId("chart").clientWidth;
    const isLeft = x > width / 2;
    const left = isLeft ? x - tooltip.offsetWidth - 16 : x + 16;
    tooltip.style.left =
      `${Math.max(0, Math.min(left, width - tooltip.offsetWidth))}px`;
    const isNarrow = width < 2 * (tooltip.offsetWidth + 16);
    tooltip.style.top = isNarrow
      ? `${y + 20}px` : `${Math.max(0, y - tooltip.offsetHeight / 2)}px`;
  }

  function mark(index) {
    chart.mark(index);
    table.mark(index);
    const selected = byId("selected");
    selected.textContent = "";
    if (index === null) return;
    selected.append(`Trial ${index + 1} is marked${
      data.trials[index].failure === null ? "" : " (it failed)"}: `);
    add(selected, "code", {}, subnetText(data, index));
  }

  const chart = makeChart(byId("plot"), data, point, mark);
  const table = makeTable(byId("trials"), data, mark);
  for (const [id, columns, first] of [
    ["cost", data.costs, data.first_cost],
    ["quality", data.metrics, data.objective],
  ]) {
    columns.forEach(({name, label, is_axis}, index) => {
      if (!is_axis) return;
      const option = add(byId(id), "option", {value: index}, label);
      option.selected = name === first;
    });
  }
  const draw = () => {
    const cost = Number(byId("cost").value);
    const isPositive = data.trials.every((trial) => trial.costs[cost] > 0);
    const logarithmic = byId("scale").options[1];
    logarithmic.disabled = !isPositive;
    if (!isPositive) byId("scale").value = "linear";
    chart.draw({
      cost, quality: Number(byId("quality").value),
      isLog: byId("scale").value === "log",
    });
  };
  for (const id of ["cost", "quality", "scale"]) {
    byId(id).addEventListener("change", draw);
  }
  for (const button of document.querySelectorAll("button[data-trial]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      mark(Number(button.dataset.trial));
      byId("chart").scrollIntoView({block: "nearest"});
    });
  }
  let drawnWidth = 0;
  new ResizeObserver(() => {
    if (byId("chart").clientWidth === drawnWidth) return;
    drawnWidth = byId("chart").clientWidth;
    draw();
  }).observe(byId("chart"));
}

start();
