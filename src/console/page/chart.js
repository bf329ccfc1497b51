// A line over its area, with its scale beside it.
import { byId, draw, hideTip, make, showTip } from '/dom.js';
import { clock, rounded, spaced, t } from '/words.js';

// A round number at or above `value` whose half is as round: both stand on the scale.
export function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((n) => n * power).find((n) => n >= value * 0.999);
}
function scaleOf(values, fromZero) {
  const low = fromZero ? 0 : Math.min(...values);
  const high = fromZero ? ceiling(Math.max(...values, 0.001)) : Math.max(...values);
  return high - low < 0.002 ? { low: low - 0.001, high: high + 0.001 } : { low, high };
}
function digitsFor(range) {
  if (range < 0.05) return 3;
  return range < 5 ? 2 : 0;
}

// `name`: of the elements name-chart, -scale, -from and -to. `points`: [{time, value}], two or
// more, oldest first. `timeStyle` is Intl's; `write` writes a time, where that of day is not enough.
export function chart(name, points, { fromZero, label, unit, timeStyle, write = clock }) {
  const svg = byId(`${name}-chart`);
  const { width, height } = svg.viewBox.baseVal;
  const { low, high } = scaleOf(points.map((point) => point.value), fromZero);
  const x = (i) => (i / (points.length - 1)) * width;
  const y = (value) => height - ((value - low) / (high - low)) * height;
  const line = points.map((point, i) => `${x(i).toFixed(1)},${y(point.value).toFixed(1)}`).join(' ');
  const rule = (share) => draw('line', { class: 'grid', x1: 0, x2: width, y1: height * share, y2: height * share });
  svg.replaceChildren(rule(0), rule(0.5), rule(1),
    draw('polygon', { class: 'area', points: `0,${height} ${line} ${width},${height}` }),
    draw('polyline', { class: 'line', points: line }));
  svg.setAttribute('aria-label', label);
  const digits = digitsFor(high - low);
  byId(`${name}-scale`).replaceChildren(...[high, (high + low) / 2, low].map((value) => make('li', {}, rounded(value, digits))));
  byId(`${name}-from`).textContent = write(points[0].time);
  byId(`${name}-to`).textContent = write(points[points.length - 1].time);
  svg.onpointermove = (event) => {
    const area = svg.getBoundingClientRect();
    const nearest = Math.round(((event.clientX - area.left) / area.width) * (points.length - 1));
    const point = points[Math.min(points.length - 1, Math.max(0, nearest))];
    showTip(event.clientX, event.clientY, write(point.time, timeStyle) + t.dot + spaced(rounded(point.value, 3), unit));
  };
  svg.onpointerleave = hideTip;
}
