// The wall: pixels that do not burn in, and what happened, one fact after the other.
// Invariant: the picture moves by so little that nobody sees it.

import { news } from './paint.js';
import { fill, number, say } from './text.js';
import { put } from './write.js';

const SHIFT_MS = 600_000;
const NEWS_MS = 8_000;

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
    const { kind, name, value } = items[shown];
    put(document.getElementById('news'), fill(say[`news_${kind}`], name, number(value)), true);
  }, NEWS_MS);
}
