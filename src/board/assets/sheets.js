// What opens over the page, and the keys.
// Invariant: whatever opens is closed by Esc, and the focus returns to where it was.

import { anew } from './board.js';
import { say } from './text.js';

const byId = (id) => document.getElementById(id);
const { level, query } = document.body.dataset;

function open(id) {
  const sheet = byId(id);
  if (!sheet || document.querySelector('dialog[open]')) return false;
  sheet.showModal();
  (sheet.querySelector('input') ?? sheet.querySelector('h2')).focus();
  return true;
}

function listen() {
  addEventListener('click', (event) => {
    const at = event.target;
    if (at.nodeName === 'DIALOG' || at.closest?.('.close')) {
      at.closest('dialog').close();
      return;
    }
    const opener = at.closest?.('[data-sheet], [data-def]');
    if (!opener || event.ctrlKey || event.metaKey) return;
    const id = opener.dataset.sheet ?? `def-${opener.dataset.def}`;
    // The report says the newest figures: the page is taken anew first.
    if (id === 'share') anew();
    if (open(id)) event.preventDefault();
  });
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, dialog')) return;
    const click = (selector) => document.querySelector(selector)?.click();
    const keys = {
      '/': () => open('search'),
      '?': () => open('def-adds'),
      t: () => click('[data-tab="today"]'),
      r: () => click('[data-tab="rank"]'),
      '[': () => byId('day-before')?.click(),
      ']': () => byId('day-after')?.click(),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  byId('copy')?.addEventListener('click', copy);
  byId('q')?.addEventListener('input', () => { clearTimeout(typed); typed = setTimeout(find, TYPED_MS); });
  document.addEventListener('toggle', (event) => {
    const inside = event.target.open && event.target.querySelector?.('[data-f="inside"]');
    if (inside) look(event.target, inside);
  }, true);
  document.querySelector('main')?.addEventListener('pointermove', readout);
  document.querySelector('main')?.addEventListener('pointerdown', readout);
}

const TYPED_MS = 200; // One question for a word, not one for each letter.
let typed = 0;

/** Lists what the viewer's text finds, as links to its page. */
async function find() {
  const text = byId('q').value.trim();
  const to = new URLSearchParams(query);
  const corp = to.get('corp');
  const answer = text ? await fetch(`api/v1/search?${new URLSearchParams({ corp, q: text })}`).catch(() => null) : null;
  if (byId('q').value.trim() !== text) return;
  const found = answer?.ok ? (await answer.json()).data : [];
  ['level', 'from', 'view', 'metric', 'order', 'filter'].forEach((field) => to.delete(field));
  byId('found').replaceChildren(...found.map(({ level: kind, id, name, path }) => {
    to.set('scope', `${kind}:${id}`);
    const link = Object.assign(document.createElement('a'), { href: `./?${to}`, className: 'plain' });
    link.append(
      Object.assign(document.createElement('b'), { textContent: name }),
      Object.assign(document.createElement('small'), { textContent: path.slice(0, -1).map((step) => step.name).join(' › ') }),
    );
    const item = document.createElement('li');
    item.append(link);
    return item;
  }));
  byId('found-none').textContent = text && !found.length ? say.search_none : '';
}

async function copy() {
  const report = byId('report');
  try {
    await navigator.clipboard.writeText(report.textContent);
    byId('copied').textContent = say.copied;
  } catch {
    // Without the permission the text is chosen, so that the viewer's own copy takes it.
    getSelection().selectAllChildren(report);
  }
}

/** The hours and the best three of a row, from its own page. */
async function look(row, inside) {
  const href = row.querySelector('[data-f="to"]')?.href;
  if (!href) return;
  const answer = await fetch(href).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const parts = [];
  const plot = page.querySelector('#trend .plot');
  if (plot) parts.push(document.importNode(plot, true));
  const best = level === 'staff' ? [] : [...page.querySelectorAll('#rows > li')].slice(0, 3);
  best.forEach((child, n) => {
    const line = document.createElement('p');
    line.className = 'mrow';
    for (const [name, text] of [['span', n + 1], ['span', child.querySelector('[data-f="name"]').textContent], ['b', child.querySelector('[data-f="value"]').textContent]]) {
      line.append(Object.assign(document.createElement(name), { textContent: text, className: 'num' }));
    }
    parts.push(line);
  });
  inside.replaceChildren(...parts);
}

/** The figures of the step under the finger. */
function readout(event) {
  const area = event.target.closest?.('#trend .area');
  const [cap, line] = [byId('cap'), byId('readout')];
  if (!cap || !line) return;
  cap.hidden = Boolean(area);
  line.hidden = !area;
  if (!area) return;
  const { step, adds, late, before } = area.parentElement.dataset;
  const [now, more, base] = [adds, late, before].map((text) => text.split(','));
  const box = area.getBoundingClientRect();
  const steps = Math.max(now.length, base.length);
  const at = Math.min(steps - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * steps)));
  const time = (n) => new Date(n * step * 1000).toISOString().slice(11, 16);
  // The legend says which days these are.
  const [day, dayBefore] = [...cap.children].map(({ textContent }) => textContent);
  const texts = [`${time(at)}–${time(at + 1)}`, `${day} ${now[at] || say.not_yet}`];
  if (base[at]) texts.push(`${dayBefore} ${base[at]}`);
  if (Number(more[at])) texts.push(`${say.late_adds} ${more[at]}`);
  line.replaceChildren(...texts.map((text) => Object.assign(document.createElement('span'), { textContent: text, className: 'num' })));
}

listen();
