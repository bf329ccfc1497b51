// Requests to /api/v1. Those that the page makes by itself while it follows the events go one a second at most.
import { t } from '/words.js';

const PACE_MS = 1000;

async function answerOf(path, options) {
  const answer = await fetch('/api/v1' + path, options);
  if (answer.status === 401) location.reload();  // the key is another one now: that page says what to do
  if (answer.ok) return answer.json();
  const said = await answer.json().catch(() => null);
  throw new Error(said?.error?.text || t.noAnswer(path.split('?')[0], answer.status));
}
export const get = (path) => answerOf(path, { headers: { Accept: 'application/json' } });
export const post = (path, body) =>
  answerOf(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });

const waiting = new Map();  // by what is asked for: asked often, done once
let asked_ms = -PACE_MS;
let timer = 0;

function askNext() {
  timer = 0;
  const [what, ask] = waiting.entries().next().value;
  waiting.delete(what);
  asked_ms = performance.now();
  ask().catch(() => {});  // a platform that is away is told by the events
  plan();
}
function plan() {
  if (!timer && waiting.size > 0) timer = setTimeout(askNext, Math.max(0, asked_ms + PACE_MS - performance.now()));
}
// Calls `ask`, which makes one request, when its turn comes.
export function soon(what, ask) {
  waiting.set(what, ask);
  plan();
}
export function askNothing() {
  waiting.clear();
  clearTimeout(timer);
  timer = 0;
}
