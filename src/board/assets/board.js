// Keeps the page live: figures from the event stream; where that fails, the page anew every few seconds.
// Invariant: whatever fails, the page says how old its figures are.

import { age, doubt, heard, learn, paintFreshness, paintMoment, silentFor, stateOf } from './fresh.js';
import { forget, paint, take } from './paint.js';
import { become, takePage } from './refresh.js';
import { flushSoon, onSettled } from './write.js';

const SILENT_MS = 8_000; // The stream sends once a second; this long without is a cut that nobody told us of.
const POLL_MS = 5_000;
const RETRY_STREAM_MS = 30_000;
const ANEW_MS = 30_000; // What the stream does not carry is at most this old.

const page = document.documentElement;
const body = document.body.dataset;
const { query } = body;
// A spread, so that a thousand browsers do not come at once.
const spread = 1 + Math.random() / 2;

let source = null;
let polling = null;
let triedAt = performance.now();
let takenAt = performance.now();
let taking = false;
let painted = body.revision;
const ahead = () => Date.now() - performance.now();
let calendar = ahead();

function receive(picture, whole) {
  learn(picture.freshness);
  take(picture, whole);
  painted = String(picture.revision ?? painted);
  paintMoment(painted);
  const other = body.day && picture.business_date && picture.business_date !== body.day;
  // Another day, the first figures, or an empty day that fills: the server renders their words.
  const empty = Boolean(document.querySelector('.empty'));
  if (other || page.dataset.state === 'loading' || empty !== (stateOf() === 'empty')) {
    anew();
    return;
  }
  if (paint() || paintFreshness()) anew();
}

export async function anew() {
  if (taking) return;
  taking = true;
  takenAt = performance.now();
  try {
    const fresh = await takePage();
    const { complete, lag, revision } = fresh.body.dataset;
    const { state, page: kind } = fresh.documentElement.dataset;
    if (!kind || state === 'loading') return;
    if (page.dataset.state === 'loading') page.dataset.state = state;
    heard();
    // A page that was rendered before what the stream brought since is not shown.
    if (Number(revision) < Number(painted) && polling === null) return;
    learn({ complete_through: complete || null, lag_seconds: lag ? Number(lag) : null, state });
    painted = revision;
    if (polling !== null) forget();
    become(fresh);
    paintFreshness();
    flushSoon();
  } catch {
    // The age of the figures says it: they grow older until something arrives.
  } finally {
    taking = false;
  }
}

function follow() {
  source?.close();
  triedAt = performance.now();
  // Some web views know none.
  if (!globalThis.EventSource) {
    startPolling();
    return;
  }
  source = new EventSource(`api/v1/stream?${query}`);
  const arrived = (whole) => (event) => {
    stopPolling();
    receive(JSON.parse(event.data), whole);
  };
  source.addEventListener('snapshot', arrived(true));
  source.addEventListener('delta', arrived(false));
  source.addEventListener('error', startPolling);
}

function startPolling() {
  if (polling !== null) return;
  polling = setInterval(anew, POLL_MS);
  anew();
}
function stopPolling() {
  clearInterval(polling);
  polling = null;
}

setInterval(() => {
  if (paintFreshness()) anew();
  paint();
  const now = performance.now();
  if (polling === null && silentFor() > SILENT_MS) {
    source?.close();
    startPolling();
  }
  if (polling !== null && now - triedAt > RETRY_STREAM_MS * spread) follow();
  if (polling === null && now - takenAt > ANEW_MS * spread && !document.hidden) anew();
}, 1000);

/** A phone that slept: what it shows is old, and its stream may be dead without knowing. */
function wake() {
  if (document.hidden) return;
  // The clock that ages are told by sleeps as well on some phones; the calendar goes on, and is asked for nothing else.
  const now = ahead();
  if (Math.abs(now - calendar) > SILENT_MS) doubt();
  calendar = now;
  paintFreshness();
  anew();
  follow();
}
addEventListener('visibilitychange', wake);
addEventListener('pageshow', ({ persisted }) => { if (persisted) wake(); });
onSettled(() => { body.painted = painted; });
if (age() != null) paintFreshness();
follow();
