// Puts what the stream brings into the page that the server rendered.
// Invariant: what is not in the stream stays as rendered until the page is taken anew.

import { about, against, change, clock, dayOf, fill, length, number, percent, progress, say, share, tenths, thousandths } from './text.js';
import { arrange, mark, put, widen } from './write.js';
import { isHeld } from './fresh.js';

const { metric, level, query } = document.body.dataset;
const kind = document.documentElement.dataset.page;
const known = { figures: {}, rows: new Map(), order: [], channels: new Map(), groups: new Map(), regions: new Map() };
const changed = new Set(); // Rows that are not painted yet: to look at all of them costs a phone the frame.
const all = (selector) => document.querySelectorAll(selector);

const merge = (map, items, identity) => {
  for (const item of items ?? []) map.set(item[identity], { ...map.get(item[identity]), ...item });
};

/** Takes a snapshot (`whole`) or a delta. */
export function take(picture, whole) {
  if (whole) forget();
  Object.assign(known.figures, picture.figures);
  merge(known.rows, picture.rows, 'id');
  picture.rows?.forEach(({ id }) => changed.add(id));
  merge(known.channels, picture.channels, 'channel');
  merge(known.groups, picture.groups, 'group');
  merge(known.regions, picture.regions, 'id');
  if (picture.mine !== undefined) known.mine = picture.mine && { ...known.mine, ...picture.mine };
  if (picture.order) known.order = picture.order;
  if (picture.news) known.news = picture.news;
}

/** What happened, the newest first; undefined where no stream said it, so that what the server rendered stands. */
export const news = () => known.news;

/** Forgets all, where the page was taken anew: what it shows is newer. */
export function forget() {
  known.figures = {};
  for (const list of [known.rows, known.channels, known.groups, known.regions]) list.clear();
  known.order = [];
  known.mine = known.news = undefined;
}

/** Paints all that is known; returns whether the page lacks a place for some of it. */
export function paint() {
  // A total beside which one of its parts has no place would not add up: the page is taken anew first.
  const lists = barLists();
  if (lists.some(([bars, seen]) => [...bars.keys()].some((key) => !seen.has(key)))) return true;
  paintFigures(known.figures);
  paintRows();
  paintRegions();
  paintChannels(lists);
  return paintMine();
}

/** The lists of bars that this page has, each with its elements by their keys. */
const barLists = () =>
  [['group', known.groups], ['channel', known.channels]]
    .filter(([name, bars]) => bars.size && document.querySelector(`[data-bars="${name}"]`))
    .map(([name, bars]) => [bars, new Map([...all(`[data-${name}]`)].map((element) => [element.dataset[name], element]))]);

function paintFigures(figures) {
  if (figures.adds === undefined) return;
  const value = (name) =>
    (name === 'losses' ? figures.deletes_by_customer + figures.deletes_by_staff : figures[name]);
  const each = (name, write) => {
    for (const element of all(`[data-${name}]`)) {
      const now = value(element.dataset[name]);
      if (now != null) write(element, now);
    }
  };
  each('n', (element, now) => put(element, number(now), true));
  each('about', (element, now) => put(element, about(now), true));
  each('share', (element, now) => {
    const part = share(now, figures.adds);
    put(element, part && fill(say.share_of_adds, part));
  });
  const bases = figures.baselines ?? [];
  each('p', (element, now) => {
    const before = bases[0]?.[element.dataset.p];
    if (before != null) mark(element, against(now, before));
  });
  for (const line of all('[data-base]')) {
    const base = bases[line.dataset.base];
    if (!base) continue;
    const part = (name) => line.querySelector(`[data-b="${name}"]`);
    const label = part('label');
    const until = base.until && clock(base.until, false) && (dayOf(base.until) === base.business_date ? clock(base.until, false) : '24:00');
    if (label && until) put(label, label.textContent.replace(/[\d:]+$/, until));
    put(part('base'), number(base.adds));
    mark(part('change'), change(figures.adds, base.adds));
    put(part('percent'), percent(figures.adds, base.adds));
  }
  for (const element of all('[data-done]')) paintTarget(element, figures);
}

function paintTarget(done, figures) {
  const { target } = figures;
  const now = figures[target?.metric];
  if (now == null) return;
  const goal = Number(done.dataset.done);
  put(done, progress(now, goal));
  const section = done.closest('section');
  const bar = section.querySelector('[data-max]');
  widen(bar, length(now, Number(bar.dataset.max)));
  put(section.querySelector('[data-goal]'), number(Math.max(0, goal - now)));
  const pace = section.querySelector('[data-pace]');
  const usual = target?.usual_denominator > 0
    ? thousandths(target.usual_numerator, target.usual_denominator)
    : Number(pace?.parentElement.dataset.usual);
  if (!pace) return;
  put(section.querySelector('[data-by-now]'), fill(say.usual, tenths(usual, 10)));
  const apart = thousandths(now, goal) - usual;
  mark(pace, [apart >= 0 ? 'up' : 'down', fill(apart >= 0 ? say.ahead : say.behindhand, tenths(Math.abs(apart), 10))]);
}

function fillRow(element, row) {
  const part = (field) => element.querySelector(`[data-f="${field}"]`);
  const value = row[metric];
  // Where rows keep their places they keep their ranks.
  if (!isHeld()) {
    put(part('rank'), row.rank == null ? '–' : number(row.rank));
    part('rank').dataset.rank = row.rank ?? '';
  }
  const up = row.rank == null || row.rank_before == null ? null : row.rank_before - row.rank;
  const move = up == null ? ['', ''] : up === 0 ? ['', '–'] : up > 0 ? ['up', '▲' + up] : ['down', '▼' + -up];
  put(part('move'), move[1]);
  const cell = part('move').parentElement;
  cell.classList.toggle('up', move[0] === 'up');
  cell.classList.toggle('down', move[0] === 'down');
  put(part('move-says'), !up ? '' : fill(up > 0 ? say.up : say.down, Math.abs(up)));
  put(part('name'), row.id === '' ? say.unassigned : row.name);
  if (level !== 'staff' && row.staff_active > 0 && value != null) {
    put(part('sub'), fill(say.row_heads, number(row.staff_active), tenths(value, row.staff_active)));
  }
  put(part('value'), value == null ? '—' : number(value), true);
  if (kind === 'rank') {
    put(part('done'), row.qualified_adds == null ? '' : fill(say.row_qualified, number(row.qualified_adds)));
  } else {
    const done = progress(value ?? 0, row.target);
    // The columns of a wall have their heads.
    put(part('done'), done && kind !== 'wall' ? fill(say.row_done, done) : done);
    mark(part('change'), metric === 'adds' ? change(row.adds, row.baseline_adds) : ['', '']);
  }
  widen(part('bar'), length(value ?? 0, row.target));
  const known = (value) => (value == null ? '—' : number(value));
  put(part('facts'), fill(say.row_facts, known(row.net_adds), known(row.target), progress(value ?? 0, row.target) || '—'));
}

function newRow(row) {
  const element = document.getElementById('row').content.firstElementChild.cloneNode(true);
  element.dataset.id = row.id;
  const link = element.querySelector('a');
  if (link && row.id !== '') {
    const to = new URLSearchParams(query);
    ['level', 'from', 'view'].forEach((field) => to.delete(field));
    to.set('scope', `${level}:${row.id}`);
    link.href = `./?${to}`;
    if (link.dataset.f === 'to') put(link, row.name);
  }
  return element;
}

/** Rows keep their places while the figures are stale, and on the wall as many as fit. */
function paintRows() {
  const list = document.getElementById('rows');
  if (!list) return;
  const present = new Map([...list.children].map((element) => [element.dataset.id, element]));
  for (const id of changed) {
    const [element, row] = [present.get(id), known.rows.get(id)];
    if (element && row) fillRow(element, row);
  }
  changed.clear();
  const order = kind === 'wall' ? known.order.slice(0, 8) : known.order;
  if (isHeld() || !order.length || order.some((id) => !known.rows.has(id))) return;
  const elements = order.map((id) => {
    const element = present.get(id) ?? newRow(known.rows.get(id));
    if (!present.has(id)) fillRow(element, known.rows.get(id));
    return element;
  });
  if (!arrange(list, elements)) return;
  for (const id of known.rows.keys()) if (!known.order.includes(id)) known.rows.delete(id);
}

/** The viewer's own row, above the tabs. */
function paintMine() {
  const { mine } = known;
  if (!mine || kind !== 'rank') return false;
  const pin = document.querySelector('.pin .row');
  if (!pin) return true;
  fillRow(pin, mine);
  const gap = mine.gap_next == null ? '' : fill(say.gap_next, number(mine.rank_next), number(mine.gap_next));
  put(pin.querySelector('[data-f="sub"]'), gap);
  return false;
}

/** The strip of the wall; what has no place of its own is in the last. */
function paintRegions() {
  const shown = all('[data-region]');
  if (!shown.length || !known.regions.size) return;
  let rest = [...known.regions.values()].reduce((sum, { adds }) => sum + adds, 0);
  for (const element of shown) {
    const region = known.regions.get(element.dataset.region);
    if (!region) continue;
    const part = (field) => element.querySelector(`[data-f="${field}"]`);
    rest -= region.adds;
    put(part('value'), number(region.adds), true);
    const now = region[region.metric];
    put(part('done'), progress(now, region.target));
    widen(part('bar'), length(now, region.target));
  }
  put(document.querySelector('.wreg [data-f="rest"]'), number(rest), true);
}

function paintChannels(lists) {
  for (const [bars, seen] of lists) {
    const largest = Math.max(...[...bars.values()].map((bar) => Math.max(bar.adds, bar.baseline_adds ?? 0)));
    for (const [key, bar] of bars) paintBar(seen.get(key), bar, largest);
  }
  all('[data-bars]').forEach(sortBars);
  for (const element of all('[data-sum]')) {
    const rows = [...known.channels.values()].filter(({ group, channel }) => (group ?? channel) === element.dataset.sum);
    if (!rows.length) continue;
    const sum = (field) => rows.reduce((total, row) => (total == null || row[field] == null ? null : total + row[field]), 0);
    put(element, number(sum('adds')), true);
    mark(element.closest('h2').querySelector('[data-f="sum-change"]'), against(sum('adds'), sum('baseline_adds')));
  }
}

/** Bars by their adds, and what belongs to none last, as the server has them; while the figures are stale as they stand. */
function sortBars(list) {
  const name = list.dataset.bars;
  const bars = name === 'group' ? known.groups : known.channels;
  const key = (element) => element.dataset[name];
  const place = (element) => (key(element) === 'unattributed' ? -1 : bars.get(key(element))?.adds);
  const elements = [...list.children];
  if (isHeld() || elements.some((element) => place(element) === undefined)) return;
  arrange(list, elements.sort((a, b) => place(b) - place(a) || (key(a) < key(b) ? -1 : 1)));
}

function paintBar(element, { adds, baseline_adds: before }, largest) {
  const part = (field) => element.querySelector(`[data-f="${field}"]`);
  put(part('value'), number(adds), true);
  widen(part('bar'), length(adds, largest));
  if (before == null) return;
  part('tick')?.setAttribute('x', length(before, largest));
  mark(part('change'), against(adds, before));
}
