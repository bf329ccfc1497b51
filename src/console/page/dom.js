// Small tools for the page's elements. Text always goes in as text: nothing that came from a
// meter is ever read as markup.

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function draw(tag, attributes) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// A word beside the pointer or the element in focus, above an open dialog too.
export function showTip(x, y, text) {
  const tip = byId('tip');
  const inside = byId('flat').open ? byId('flat') : document.body;
  if (tip.parentNode !== inside) inside.append(tip);
  tip.textContent = text;
  tip.hidden = false;
  tip.style.left = `${Math.max(8, Math.min(x + 12, window.innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.max(8, y - 36)}px`;
}
export function hideTip() { byId('tip').hidden = true; }
