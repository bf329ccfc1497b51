// What every list of the page has: its filter as a query string, pages, and links to its exports.
import { byId } from '/dom.js';
import { count, language, t } from '/words.js';

export const PAGE_ROWS = 50;

// {severity: 'urgent', q: ''} -> "?severity=urgent"; what is empty is left out.
export function queryOf(values) {
  const text = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== '')).toString();
  return text && `?${text}`;
}

// `name`: of the elements name-pager, -before, -after, -pages, -csv and -xlsx. `go(offset)` shows another page.
export function showPager(name, { total, offset, shown }, go) {
  byId(`${name}-pager`).hidden = total <= PAGE_ROWS;
  byId(`${name}-pages`).textContent = t.pages(count(offset + 1), count(offset + shown), count(total));
  for (const [side, to] of [['before', offset - PAGE_ROWS], ['after', offset + PAGE_ROWS]]) {
    const button = byId(`${name}-${side}`);
    button.disabled = to < 0 || to >= total;
    button.onclick = () => go(to);
  }
}
export function showExports(name, path, values) {
  for (const format of ['csv', 'xlsx']) {
    const link = byId(`${name}-${format}`);
    if (link) link.href = `/api/v1${path}${queryOf({ ...values, format, lang: language })}`;
  }
}

// Rows that stay keep their elements, so that whoever has the focus or a button under the pointer keeps it.
export function putInOrder(body, rows) {
  const wanted = new Set(rows);
  for (const row of [...body.children]) if (!wanted.has(row)) row.remove();
  rows.forEach((row, i) => { if (body.children[i] !== row) body.insertBefore(row, body.children[i] || null); });
}
