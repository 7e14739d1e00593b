"use strict";

const STAR = "M0-7.5 1.8-2.4 7.1-2.3 2.9.9 4.4 6.1 0 3-4.4 6.1-2.9.9" +
  "-7.1-2.3-1.8-2.4z";
const DIAMOND = "M0-5 5 0 0 5-5 0z";
const MARGIN = {left: 56, right: 16, top: 12, bottom: 44};
const PANEL_HEIGHT = 360;
const LANE_HEIGHT = 18;
// Where a label may be beside its point: the nearest that is free is taken.
const LABEL_OFFSETS = [17, 33, 49, 65, 81, 97].flatMap((distance) =>
  [[0, -1], [0.7, 0.7], [-0.7, 0.7], [0.7, -0.7], [-0.7, -0.7], [0, 1]].map(
    ([dx, dy]) => [dx * distance, dy * distance]));
const POINTER_REACH = 24;

// Adds an element of the same kind as its parent, HTML or SVG.
function add(parent, name, attributes = {}, text = "") {
  const child = document.createElementNS(parent.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) {
    child.setAttribute(key, value);
  }
  child.textContent = text;
  parent.append(child);
  return child;
}

// The scatter plot. It tells by onPoint(index or null, x, y) which trial the
// pointer or the keyboard is at, and by onMark(index or null) which one the
// user chose.
function makeChart(svg, data, onPoint, onMark) {
  let axes = null;
  let points = [];
  let marked = null;
  let pointed = null;

  // Takes {cost, quality, isLog}: indices of columns, and a boolean.
  function draw(newAxes) {
    axes = newAxes;
    pointed = null;
    onPoint(null);
    svg.replaceChildren();
    const trials = data.trials.map((trial, index) => ({
      index, x: trial.costs[axes.cost],
      y: trial.metrics ? trial.metrics[axes.quality] : null,
    })).filter(({y}) => y !== null);
    const limits = budgetLimits();
    const width = Math.max(svg.clientWidth, 200);
    const bottom = MARGIN.top + PANEL_HEIGHT;
    const height = bottom + MARGIN.bottom + LANE_HEIGHT * limits.length;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    points = [];
    if (!trials.length) {
      add(svg, "text", {x: 8, y: 24}, "No trial succeeded.");
      return;
    }
    const right = width - MARGIN.right;
    const numTicks = Math.max(3, Math.floor(width / 90));
    const x = makeScale(
      trials.map((trial) => trial.x), MARGIN.left, right, axes.isLog, numTicks);
    const y = makeScale(
      trials.map((trial) => trial.y), bottom, MARGIN.top, false, 6);
    drawAxes(x, y, right, bottom);
    drawLimits(limits, x, right, bottom);
    points = trials.map((trial) => ({
      index: trial.index, x: x(trial.x), y: y(trial.y)}));
    drawPoints(trials);
    points.sort((a, b) => a.x - b.x || b.y - a.y);
    points.forEach((point, order) => { point.order = order; });
    add(svg, "circle", {class: "marked", r: 11, visibility: "hidden"});
    add(svg, "circle", {class: "pointed", r: 9, visibility: "hidden"});
    ring("marked", marked);
  }

  function drawAxes(x, y, right, bottom) {
    for (const tick of y.ticks) {
      add(svg, "line", {
        class: "grid", x1: MARGIN.left, x2: right, y1: y(tick), y2: y(tick)});
      add(svg, "text", {
        class: "tick", x: MARGIN.left - 6, y: y(tick) + 4,
        "text-anchor": "end"}, formatTick(tick));
    }
    for (const tick of x.ticks) {
      add(svg, "line", {
        class: "grid", x1: x(tick), x2: x(tick), y1: MARGIN.top, y2: bottom});
      add(svg, "text", {
        class: "tick", x: x(tick), y: bottom + 17,
        "text-anchor": "middle"}, formatTick(tick));
    }
    add(svg, "path", {
      class: "axis", fill: "none",
      d: `M${MARGIN.left} ${MARGIN.top}V${bottom}H${right}`});
    const middle = (MARGIN.left + right) / 2;
    const scale = axes.isLog ? ", logarithmic" : "";
    add(svg, "text", {x: middle, y: bottom + 36, "text-anchor": "middle"},
      data.costs[axes.cost].label + scale);
    add(svg, "text", {
      "text-anchor": "middle",
      transform: `translate(13 ${(MARGIN.top + bottom) / 2}) rotate(-90)`},
      data.metrics[axes.quality].label);
  }

  function budgetLimits() {
    const name = data.costs[axes.cost].name;
    return data.budgets.flatMap((budget) => budget.limits
      .filter((limit) => limit.cost === name)
      .map((limit) => ({...limit, name: budget.name})));
  }

  // A lane for each budget below the axis, so that many stay readable.
  function drawLimits(limits, x, right, bottom) {
    limits.forEach((limit, lane) => {
      const y = bottom + MARGIN.bottom + LANE_HEIGHT * (lane + 0.5);
      const clamp = (position) =>
        Math.min(Math.max(position, MARGIN.left), right);
      const isInside = (value) => value >= x.ends[0] && value <= x.ends[1];
      const hasMinimum = limit.minimum > 0;
      const start = hasMinimum && isInside(limit.minimum)
        ? x(limit.minimum)
        : limit.minimum > x.ends[1] ? right : MARGIN.left;
      const end = limit.maximum !== null && isInside(limit.maximum)
        ? x(limit.maximum)
        : limit.maximum !== null && limit.maximum < x.ends[0]
          ? MARGIN.left : right;
      add(svg, "path", {
        class: "limit-bar", d: `M${clamp(start)} ${y}H${clamp(end)}`});
      for (const value of [hasMinimum ? limit.minimum : null, limit.maximum]) {
        if (value === null || !isInside(value)) continue;
        add(svg, "path", {class: "limit-bar", d: `M${x(value)} ${y - 5}v10`});
        add(svg, "line", {
          class: "limit-line", x1: x(value), x2: x(value),
          y1: MARGIN.top, y2: y});
      }
      const bounds = [
        hasMinimum ? `≥ ${formatTick(limit.minimum)}` : "",
        limit.maximum === null ? "" : `≤ ${formatTick(limit.maximum)}`,
      ].filter(Boolean).join(", ");
      drawLimitLabel(`${limit.name} ${bounds}`, start, end, y, right);
    });
  }

  // Beside the bar where there is room, else upon it.
  function drawLimitLabel(text, start, end, y, right) {
    const label = add(svg, "text", {class: "limit-label", y: y + 4}, text);
    const length = label.getComputedTextLength();
    if (end + 8 + length <= right) {
      label.setAttribute("x", end + 8);
    } else if (start - 8 - length >= MARGIN.left) {
      label.setAttribute("x", start - 8 - length);
    } else {
      label.setAttribute("x", Math.max(0, right - length));
      label.setAttribute("y", y - 3);
    }
  }

  function drawPoints(trials) {
    const front = frontOf(
      trials.map((trial) => trial.x), trials.map((trial) => trial.y));
    const onFront = new Set(front);
    const chosen = new Map();
    for (const budget of data.budgets) {
      if (budget.chosen === null) continue;
      chosen.set(
        budget.chosen, [...(chosen.get(budget.chosen) || []), budget.name]);
    }
    points.forEach((point, position) => {
      point.isOnFront = onFront.has(position);
      if (point.isOnFront || chosen.has(point.index)) return;
      add(svg, "circle", {class: "trial", cx: point.x, cy: point.y, r: 4});
    });
    const steps = front.map((position, order) => {
      const {x, y} = points[position];
      return order ? `H${x}V${y}` : `M${x} ${y}`;
    });
    add(svg, "path", {class: "front-line", d: steps.join("")});
    for (const position of front) {
      const {x, y} = points[position];
      add(svg, "path", {
        class: "front", d: DIAMOND, transform: `translate(${x} ${y})`});
    }
    const stars = points.filter((point) => chosen.has(point.index));
    for (const {x, y} of stars) {
      add(svg, "path", {
        class: "chosen", d: STAR, transform: `translate(${x} ${y})`});
    }
    drawChosenLabels(stars, chosen);
  }

  function drawChosenLabels(stars, chosen) {
    const boxes = stars.map(
      ({x, y}) => ({left: x - 8, right: x + 8, top: y - 8, bottom: y + 8}));
    const right = svg.viewBox.baseVal.width;
    for (const {index, x, y} of stars) {
      const leader = add(svg, "line", {class: "leader", x1: x, y1: y});
      const label = add(
        svg, "text", {class: "chosen-label", "text-anchor": "middle"},
        chosen.get(index).join(", "));
      const half = label.getComputedTextLength() / 2 + 2;
      const candidates = LABEL_OFFSETS.map(([dx, dy]) => {
        const centre = Math.min(
          Math.max(x + dx + Math.sign(dx) * half, MARGIN.left + half),
          right - half);
        return {
          centre, middle: y + dy, left: centre - half, right: centre + half,
          top: y + dy - 8, bottom: y + dy + 8};
      }).filter(({top, bottom}) =>
        top >= 0 && bottom <= MARGIN.top + PANEL_HEIGHT);
      const box = candidates.find((candidate) => !boxes.some((other) =>
        candidate.left < other.right && other.left < candidate.right &&
        candidate.top < other.bottom && other.top < candidate.bottom)) ||
        candidates[0];
      boxes.push(box);
      label.setAttribute("x", box.centre);
      label.setAttribute("y", box.middle + 4);
      leader.setAttribute("x2", Math.min(Math.max(x, box.left), box.right));
      leader.setAttribute("y2", box.middle);
    }
  }

  function ring(kind, index) {
    const circle = svg.querySelector(`circle.${kind}`);
    const point = points.find((candidate) => candidate.index === index);
    if (!circle) return;
    circle.setAttribute("visibility", point ? "visible" : "hidden");
    if (!point) return;
    circle.setAttribute("cx", point.x);
    circle.setAttribute("cy", point.y);
  }

  function pointAt(point) {
    if (point === pointed) return;
    pointed = point;
    ring("pointed", point ? point.index : null);
    onPoint(point ? point.index : null, point && point.x, point && point.y);
  }

  function nearest(event) {
    const {left, top} = svg.getBoundingClientRect();
    let found = null;
    let least = POINTER_REACH;
    for (const point of points) {
      const distance = Math.hypot(
        point.x - (event.clientX - left), point.y - (event.clientY - top));
      if (distance < least) [found, least] = [point, distance];
    }
    return found;
  }

  function next(candidates, step) {
    if (!candidates.length) return null;
    if (!pointed) return candidates[step > 0 ? 0 : candidates.length - 1];
    const ahead = candidates.filter(
      (point) => (point.order - pointed.order) * step > 0);
    return ahead.length ? ahead[step > 0 ? 0 : ahead.length - 1] : pointed;
  }

  svg.addEventListener("pointermove", (event) => pointAt(nearest(event)));
  svg.addEventListener("pointerleave", () => pointAt(null));
  svg.addEventListener("blur", () => pointAt(null));
  svg.addEventListener("click", (event) => {
    const point = nearest(event);
    pointAt(point);
    onMark(point ? point.index : null);
  });
  svg.addEventListener("keydown", (event) => {
    const front = points.filter((point) => point.isOnFront);
    const actions = {
      ArrowRight: () => pointAt(next(points, 1)),
      ArrowLeft: () => pointAt(next(points, -1)),
      ArrowUp: () => pointAt(next(front, 1)),
      ArrowDown: () => pointAt(next(front, -1)),
      Home: () => pointAt(points[0] || null),
      End: () => pointAt(points[points.length - 1] || null),
      Enter: () => pointed && onMark(pointed.index),
      Escape: () => { pointAt(null); onMark(null); },
    };
    if (!(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  });

  return {
    draw,
    redraw: () => draw(axes),
    mark(index) {
      marked = index;
      ring("marked", index);
    },
  };
}
