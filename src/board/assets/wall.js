// The wall: pixels that do not burn in, and what happened, one fact after the other.
// Invariant: the picture moves by so little that nobody sees it.

import { news } from './paint.js';
import { clock, number, say } from './text.js';

const SHIFT_MS = 600_000;
const NEWS_MS = 8_000;

/** One fact, as the server writes it. */
function tell({ at, kind, name, value }) {
  const place = document.getElementById('news');
  const element = (kind, text) => Object.assign(document.createElement(kind), { textContent: text });
  const [before, between, after] = say[`news_${kind}`].split('{}');
  place.replaceChildren(element('time', clock(at, false)), before + name + between, element('b', number(value)), after);
  // The fade begins anew with each fact.
  place.classList.remove('fade');
  requestAnimationFrame(() => place.classList.add('fade'));
}

export function start() {
  let shifted = 0;
  setInterval(() => {
    shifted = (shifted + 1) % 2;
    document.querySelector('.wall').style.translate = `${shifted * 2}px ${shifted * 2}px`;
  }, SHIFT_MS);
  let shown = 0;
  setInterval(() => {
    const items = news();
    if (!items.length) return;
    shown = (shown + 1) % items.length;
    tell(items[shown]);
  }, NEWS_MS);
}
