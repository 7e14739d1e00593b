"use strict";

// Whether a value can have a place on an axis.
function isNumber(value) {
  return typeof value === "number";
}

// A value for people: counts with separators, fractions rounded.
function formatValue(value) {
  if (value === null || value === undefined) return "–";
  if (!isNumber(value)) return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const digits = Math.abs(value) < 100 ? 4 : 1;
  return value.toLocaleString("en", {
    minimumFractionDigits: digits, maximumFractionDigits: digits,
  });
}

// A choice as it is written elsewhere; a dash where it does not matter.
function formatChoice(choice) {
  return choice === null ? "–" : String(choice);
}

// A short value for an axis, such as 1.5M.
function formatTick(value) {
  for (const [factor, suffix] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(value) >= factor) {
      return Number((value / factor).toPrecision(4)) + suffix;
    }
  }
  return String(Number(value.toPrecision(4)));
}

// Indices of the points that no other one dominates, the cheapest first.
// Equal points stay all.
function frontOf(costs, qualities) {
  const order = costs.map((_, index) => index).sort(
    (a, b) => costs[a] - costs[b] || qualities[b] - qualities[a] || a - b);
  const front = [];
  for (const index of order) {
    const last = front[front.length - 1];
    const better = last === undefined || qualities[index] > qualities[last];
    const equal = last !== undefined && costs[index] === costs[last] &&
      qualities[index] === qualities[last];
    if (better || equal) front.push(index);
  }
  return front;
}

// Round numbers that divide a range into about `count` parts.
function linearTicks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(
    (factor) => factor * power >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}

// 1, 2 and 5 of each power of ten; a range that has few of them is divided
// evenly.
function logTicks(low, high, count) {
  for (const factors of [[1], [1, 2, 5]]) {
    const ticks = [];
    for (let e = Math.floor(Math.log10(low)); 10 ** e <= high; e++) {
      for (const factor of factors) {
        const tick = Number((factor * 10 ** e).toPrecision(12));
        if (tick >= low && tick <= high) ticks.push(tick);
      }
    }
    if (ticks.length >= 3 && ticks.length <= 2 * count) return ticks;
  }
  return linearTicks(low, high, count);
}

// Maps numbers to pixels, with some room beside the smallest and the largest.
function makeScale(values, start, end, isLog, count) {
  const forward = isLog ? Math.log : (value) => value;
  const backward = isLog ? Math.exp : (value) => value;
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, forward(value));
    high = Math.max(high, forward(value));
  }
  const room = (high - low || Math.abs(high) || 1) * 0.05;
  low -= room;
  high += room;
  const ends = [backward(low), backward(high)];
  const scale = (value) =>
    start + (end - start) * (forward(value) - low) / (high - low);
  scale.ends = ends;
  scale.ticks = (isLog ? logTicks : linearTicks)(ends[0], ends[1], count);
  return scale;
}
