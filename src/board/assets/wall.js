// The wall: pixels that do not burn in, and what happened, one fact after the other.
// Invariant: the picture moves by so little that nobody sees it; nothing is told while the figures are not live.

import { news } from './paint.js';
import { clock, number, say } from './text.js';

const SHIFT_MS = 600_000;
const NEWS_MS = 8_000;
const TONE_SECONDS = 0.7;

const page = document.documentElement;

/** One fact, as the server writes it. */
function tell(place, { at, kind, name, value }) {
  const element = (kind, text) => Object.assign(document.createElement(kind), { textContent: text });
  const [before, between, after] = say[`news_${kind}`].split('{}');
  place.replaceChildren(element('time', clock(at, false)), before + name + between, element('b', number(value)), after);
  // The fade begins anew with each fact.
  place.classList.remove('fade');
  requestAnimationFrame(() => place.classList.add('fade'));
}

/** A soft tone that dies away. A browser lets it sound only once somebody has touched the page. */
function ring(audio) {
  const now = audio.currentTime;
  const gain = new GainNode(audio, { gain: 0.12 });
  gain.gain.exponentialRampToValueAtTime(0.001, now + TONE_SECONDS);
  const tone = new OscillatorNode(audio, { frequency: 880 });
  tone.connect(gain).connect(audio.destination);
  tone.start(now);
  tone.stop(now + TONE_SECONDS);
}

/** The button of the tone, off until somebody wants it; returns what rings if it is on. */
function sound() {
  const button = document.getElementById('sound');
  let audio = null;
  button.hidden = false;
  button.addEventListener('click', () => {
    const on = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', on);
    audio?.close();
    audio = on ? new AudioContext() : null;
    if (on) ring(audio);
  });
  return () => { if (audio) ring(audio); };
}

export function start() {
  let shifted = 0;
  setInterval(() => {
    shifted = (shifted + 1) % 2;
    document.querySelector('.wall').style.translate = `${shifted * 2}px ${shifted * 2}px`;
  }, SHIFT_MS);
  const rings = sound();
  let [shown, newest] = [0, null];
  setInterval(() => {
    const items = page.dataset.state === 'live' ? news() : [];
    if (!items) return;
    const place = document.getElementById('news');
    if (!items.length) {
      place.textContent = say.news_none;
      return;
    }
    const first = JSON.stringify(items[0]);
    const isNew = newest !== null && first !== newest;
    newest = first;
    shown = isNew ? 0 : (shown + 1) % items.length;
    tell(place, items[shown]);
    if (isNew) rings();
  }, NEWS_MS);
}
