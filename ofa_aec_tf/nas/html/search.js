"use strict";

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
  const table = makeTable(
    byId("trials"), tableColumns(data), data.trials.length, "trial", mark);
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
