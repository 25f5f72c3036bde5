// Keeps the page live: figures from the event stream, by polling where that fails, and their age from a steady clock.
// Invariant: the page never shows figures as newer than they are; the clock of the device is not asked.

const page = document.documentElement;
const { words, query, zone, metric, level } = document.body.dataset;
const say = JSON.parse(words);
const byId = (id) => document.getElementById(id);

const LIVE_SECONDS = 30;
const BEHIND_SECONDS = 120;
const OFFLINE_MS = 14_000; // Nothing arrived for so long, by stream or polling; the page looks once a second, so it says so within 15 s.
const SILENT_MS = 8_000; // The stream sends once a second; this long without is a cut that nobody told us of.
const POLL_MS = 5_000;
const RETRY_STREAM_MS = 30_000;
const ORDER_MS = 5_000; // Rows change places at most so often,
const TOUCHED_MS = 2_000; // and never under a finger.
const PERCENT_BASE = 100; // A percentage of less says more than is known.

// ---------------------------------------------------------------- text

const grouped = new Intl.NumberFormat('en-US');
const number = (value) => (value < 0 ? '−' : '') + grouped.format(Math.abs(value));
const tenths = (numerator, denominator) => {
  const text = (Math.floor((Math.abs(numerator) * 20 + denominator) / (denominator * 2)) / 10).toFixed(1);
  const [whole, part] = text.split('.');
  return (numerator < 0 && text !== '0.0' ? '−' : '') + grouped.format(whole) + '.' + part;
};
const fill = (text, ...values) => text.replace(/\{\}/g, () => values.shift());
const clock = (instant, seconds) => new Intl.DateTimeFormat('en-GB', {
  timeZone: zone, hour: '2-digit', minute: '2-digit', second: seconds ? '2-digit' : undefined, hourCycle: 'h23',
}).format(new Date(instant));
const dayOf = (instant) => new Intl.DateTimeFormat('en-CA', { timeZone: zone }).format(new Date(instant));
const change = (now, before) => {
  if (before == null) return ['', ''];
  if (now === before) return ['', say.level];
  return now > before ? ['up', fill(say.more, number(now - before))] : ['down', fill(say.fewer, number(before - now))];
};
const percent = (now, before) =>
  before < PERCENT_BASE ? '' : (now < before ? '−' : '+') + tenths(Math.abs(now - before) * 100, before) + '%';

// ---------------------------------------------------------------- what is known

const known = { figures: {}, rows: new Map(), order: [], channels: new Map(), held: false };
let day = document.body.dataset.day;
// The first figures came with the page itself.
let freshness = {
  complete_through: document.body.dataset.complete || null,
  lag_seconds: document.body.dataset.lag === '' ? null : Number(document.body.dataset.lag),
  state: page.dataset.state,
};
let receivedAt = performance.getEntriesByType('navigation')[0]?.responseStart ?? 0;
let heardAt = performance.now();

const merge = (map, items, identity) => {
  for (const item of items ?? []) map.set(item[identity], { ...map.get(item[identity]), ...item });
};

function receive(picture, whole) {
  const now = performance.now();
  if (page.dataset.state === 'loading' || (day && picture.business_date && picture.business_date !== day)) {
    location.reload(); // Another day, or the first figures: the server renders their words.
    return;
  }
  heardAt = now;
  // An answer from the browser's cache carries the age of its day: the same instant never becomes younger again.
  const same = picture.freshness.complete_through === freshness.complete_through;
  if (!same || age() < picture.freshness.lag_seconds) {
    receivedAt = now;
    freshness = picture.freshness;
  }
  if (whole) {
    known.rows.clear();
    known.channels.clear();
  }
  Object.assign(known.figures, picture.figures);
  merge(known.rows, picture.rows, 'id');
  merge(known.channels, picture.channels, 'channel');
  if (picture.order) known.order = picture.order;
  if (picture.held !== undefined) known.held = picture.held;
  if (picture.revision) known.revision = picture.revision;
  requestAnimationFrame(paint);
}

// ---------------------------------------------------------------- painting

function put(element, text) {
  if (!element || element.textContent === text) return false;
  element.textContent = text;
  return true;
}
function tick(element, text) {
  if (!put(element, text)) return;
  element.classList.remove('tick');
  requestAnimationFrame(() => element.classList.add('tick'));
}
function mark(element, [direction, text]) {
  put(element, text);
  element.classList.toggle('up', direction === 'up');
  element.classList.toggle('down', direction === 'down');
  element.classList.toggle('held', direction === 'held');
}
const bar = (element, value, largest) =>
  element.setAttribute('width', (largest > 0 ? Math.floor((Math.max(0, value) * 100) / largest) : 0) + '%');

function age() {
  return freshness.lag_seconds == null ? null : freshness.lag_seconds + Math.floor((performance.now() - receivedAt) / 1000);
}

function state() {
  if (page.dataset.state === 'loading') return 'loading';
  const seconds = age();
  if (performance.now() - heardAt > OFFLINE_MS) return 'offline';
  if (seconds == null) return 'empty';
  if (seconds > BEHIND_SECONDS) return 'stale';
  if (freshness.state === 'empty') return 'empty';
  return seconds > LIVE_SECONDS ? 'behind' : 'live';
}

function paintFreshness() {
  const now = state();
  const before = page.dataset.state;
  const seconds = age();
  const held = now === 'stale' || now === 'offline';
  if (now === 'loading') return;
  page.dataset.state = now;
  put(byId('fresh-label'), held ? say.complete_only : say.complete_through);
  put(byId('complete'), freshness.complete_through ? clock(freshness.complete_through, true) : '—');
  const [minutes, rest] = [Math.floor(seconds / 60), seconds % 60];
  put(byId('age'), seconds == null ? '' : held ? fill(say.minutes_behind, minutes, rest) : fill(say.seconds_behind, seconds));
  const words = { stale: say.stale, offline: say.offline, empty: seconds == null ? say.never : say.empty }[now] ?? '';
  put(byId('fresh-words'), words);
  put(byId('at-least'), held ? say.at_least : '');
  // Spoken on a change of state only; figures never.
  if (now !== before) put(byId('status'), words || say[now]);
  if (held !== (before === 'stale' || before === 'offline')) paint();
}

function paintFigures(held) {
  const { figures } = known;
  if (figures.adds === undefined) return;
  tick(byId('adds'), number(figures.adds));
  put(byId('channels-total'), number(figures.adds));
  tick(byId('net-adds'), number(figures.net_adds));
  const { deletes_by_customer: byCustomer, deletes_by_staff: byStaff } = figures;
  tick(byId('losses'), number(byCustomer + byStaff));
  put(byId('losses-say'), fill(say.losses_say, number(byCustomer), number(byStaff)));
  tick(byId('late-adds'), number(figures.late_adds));
  figures.baselines?.forEach((base, n) => {
    const cell = (field) => document.querySelector(`[data-base="${n}"][data-f="${field}"]`);
    put(cell('time'), dayOf(base.until) === base.business_date ? clock(base.until, false) : '24:00');
    put(cell('base'), number(base.adds));
    mark(cell('change'), held ? ['held', say.held] : change(figures.adds, base.adds));
    put(cell('percent'), held ? '' : percent(figures.adds, base.adds));
  });
  if (figures.target && byId('done')) {
    put(byId('target'), number(figures.target.target));
    put(byId('done'), tenths(figures.adds * 100, figures.target.target) + '%');
    byId('done-bar').setAttribute('width', Math.min(100, Math.floor((figures.adds * 100) / figures.target.target)) + '%');
  }
}

function fillRow(element, row, largest, held) {
  const part = (field) => element.querySelector(`[data-f="${field}"]`);
  const value = row[metric];
  put(part('rank'), row.rank == null ? '–' : number(row.rank));
  part('rank').dataset.rank = row.rank ?? '';
  const up = row.rank == null || row.rank_before == null || held ? null : row.rank_before - row.rank;
  mark(part('move'), up == null ? ['', ''] : up === 0 ? ['', '–'] : up > 0 ? ['up', '▲' + up] : ['down', '▼' + -up]);
  put(part('name'), row.id === '' ? say.unassigned : row.name);
  const texts = [];
  if (level !== 'staff' && row.staff_active > 0) texts.push(fill(say.row_heads, number(row.staff_active), tenths(value, row.staff_active)));
  if (row.target != null) texts.push(fill(say.row_target, number(row.target)) + (row.target > 0 ? ` ${tenths(value * 100, row.target)}%` : ''));
  put(part('sub'), texts.join(page.lang === 'en' ? ', ' : '，'));
  tick(part('value'), number(value));
  mark(part('change'), held || metric !== 'adds' ? ['', ''] : change(row.adds, row.baseline_adds));
  bar(part('bar'), value, largest);
}

function newRow(row) {
  const element = byId('row').content.firstElementChild.cloneNode(true);
  element.dataset.id = row.id;
  if (row.id !== '' && level !== 'staff') {
    const to = new URLSearchParams(query);
    ['level', 'from'].forEach((field) => to.delete(field));
    to.set('scope', `${level}:${row.id}`);
    element.querySelector('a').href = `?${to}`;
  }
  return element;
}

let orderedAt = 0;
let touchedAt = -Infinity;
for (const name of ['pointerdown', 'pointermove', 'touchmove', 'scroll', 'focusin', 'keydown']) {
  addEventListener(name, () => { touchedAt = performance.now(); }, { passive: true });
}

function paintRows(held) {
  const list = byId('rows');
  const present = new Map([...list.children].map((element) => [element.dataset.id, element]));
  const rows = known.order.map((id) => known.rows.get(id)).filter(Boolean);
  const largest = Math.max(0, ...rows.map((row) => row[metric]));
  for (const [id, element] of present) {
    const row = known.rows.get(id);
    if (row) fillRow(element, row, largest, held);
  }
  const now = performance.now();
  const same = rows.length === present.size && rows.every((row, n) => list.children[n]?.dataset.id === row.id);
  const calm = now - orderedAt >= ORDER_MS && now - touchedAt >= TOUCHED_MS && !list.contains(document.activeElement);
  if (same || held || !calm) return;
  orderedAt = now;
  list.replaceChildren(...rows.map((row) => {
    const element = present.get(row.id) ?? newRow(row);
    fillRow(element, row, largest, held);
    return element;
  }));
  byId('nobody').hidden = rows.length > 0;
  for (const id of known.rows.keys()) if (!known.order.includes(id)) known.rows.delete(id);
}

function paintChannels(held) {
  const last = (row) => (row.channel === 'unattributed' ? 1 : 0);
  const rows = [...known.channels.values()].sort((a, b) =>
    last(a) - last(b) || b.adds - a.adds || (a.channel < b.channel ? -1 : 1));
  if (!rows.length) return;
  const list = byId('channels');
  const largest = Math.max(...rows.map((row) => row.adds));
  const present = new Map([...list.children].map((element) => [element.dataset.channel, element]));
  const calm = performance.now() - touchedAt >= TOUCHED_MS;
  for (const row of rows) {
    let element = present.get(row.channel);
    if (!element) {
      element = byId('channel').content.firstElementChild.cloneNode(true);
      element.dataset.channel = row.channel;
      list.append(element);
    }
    const part = (field) => element.querySelector(`[data-f="${field}"]`);
    put(part('name'), row[page.lang === 'en' ? 'en' : 'zh']);
    tick(part('value'), number(row.adds));
    bar(part('bar'), row.adds, largest);
    mark(part('change'), held ? ['', ''] : change(row.adds, row.baseline_adds));
    present.set(row.channel, element);
  }
  const order = rows.map((row) => present.get(row.channel));
  if (calm && !held && order.some((element, n) => list.children[n] !== element)) list.replaceChildren(...order);
}

function paint() {
  const held = known.held || ['stale', 'offline'].includes(page.dataset.state);
  paintFigures(held);
  paintRows(held);
  paintChannels(held);
  put(byId('moves-say'), held ? '' : say.moves_say);
  if (known.revision) put(byId('foot'), fill(say.foot, zone, number(known.revision)));
  paintFreshness();
}

// ---------------------------------------------------------------- stream, and polling in its place

let source = null;
let polling = null;

function follow() {
  source?.close();
  source = new EventSource(`api/v1/stream?${query}`);
  const heard = (whole) => (event) => {
    stopPolling();
    receive(JSON.parse(event.data), whole);
  };
  source.addEventListener('snapshot', heard(true));
  source.addEventListener('delta', heard(false));
  source.addEventListener('error', startPolling);
}

async function poll() {
  try {
    const ask = async (part) => {
      const answer = await fetch(`api/v1/${part}?${query}`, { cache: 'no-cache', signal: AbortSignal.timeout(POLL_MS) });
      if (!answer.ok) throw new Error(`${part}: ${answer.status}`);
      return answer.json();
    };
    const [summary, board, channels] = await Promise.all(['summary', 'leaderboard', 'channels'].map(ask));
    if (!polling) return;
    receive({
      revision: summary.revision,
      business_date: summary.business_date,
      freshness: summary.freshness,
      figures: summary.data,
      rows: board.data.rows,
      order: board.data.rows.map((row) => row.id),
      held: board.data.held,
      channels: channels.data.rows,
    }, true);
  } catch {
    // The age of the figures says it: they grow older until something arrives.
  }
}

function startPolling() {
  if (polling) return;
  polling = setInterval(poll, POLL_MS);
  poll();
}
function stopPolling() {
  clearInterval(polling);
  polling = null;
}

let triedAt = performance.now();
setInterval(() => {
  paintFreshness();
  paintRows(known.held || ['stale', 'offline'].includes(page.dataset.state));
  const now = performance.now();
  if (!polling && now - heardAt > SILENT_MS) {
    source?.close();
    startPolling();
    triedAt = now;
  }
  // A spread of half a minute, so that a thousand browsers do not come back at once.
  if (polling && now - triedAt > RETRY_STREAM_MS * (1 + Math.random())) {
    triedAt = now;
    follow();
  }
}, 1000);
follow();

addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, textarea')) return;
  const to = { '[': byId('day-before'), ']': byId('day-after') }[event.key];
  if (to) to.click();
});
