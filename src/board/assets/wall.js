// The wall: pixels that do not burn in, and what happened, one fact after the other.
// Invariant: the picture moves by so little that nobody sees it; nothing is told while the figures are not live.

import { news } from './paint.js';
import { clock, number, say } from './text.js';
import { still } from './write.js';

const SHIFT_MS = 600_000;
const NEWS_MS = 8_000;

/** One fact, as the server writes it. */
function tell(place, { at, kind, name, value }) {
  const element = (kind, text) => Object.assign(document.createElement(kind), { textContent: text });
  const [before, between, after] = say[`news_${kind}`].split('{}');
  place.replaceChildren(element('time', clock(at, false)), before + name + between, element('b', number(value)), after);
  // The fade begins anew with each fact.
  place.classList.remove('fade');
  requestAnimationFrame(() => place.classList.add('fade'));
}

/** A soft tone that dies away. */
function ring(audio) {
  const now = audio.currentTime;
  const gain = new GainNode(audio, { gain: 0.1 });
  gain.gain.setTargetAtTime(0, now, 0.2);
  const tone = new OscillatorNode(audio, { frequency: 880 });
  tone.connect(gain).connect(audio.destination);
  tone.start(now);
  tone.stop(now + 1);
}

/** The button of the tone, off until somebody wants it; returns what rings if it is on. */
function sound() {
  let audio = null;
  addEventListener('click', ({ target }) => {
    if (target.id !== 'sound') return;
    audio?.close();
    audio = audio ? null : new AudioContext();
    target.setAttribute('aria-pressed', audio !== null);
    target.textContent = audio ? say.sound_on : say.sound_off;
    if (audio) ring(audio);
  });
  return () => { if (audio) ring(audio); };
}

let shifted = 0;
setInterval(() => {
  if (still.matches) return;
  shifted = 2 - shifted;
  // Of the body, for all within it is taken anew from the server.
  document.body.style.translate = `${shifted}px ${shifted}px`;
}, SHIFT_MS);
const rings = sound();
let [shown, newest] = [0, null];
setInterval(() => {
  const items = document.documentElement.dataset.state === 'live' ? news() : [];
  const place = document.getElementById('news');
  if (!items || !place) return;
  if (!items.length) {
    place.textContent = say.news_none;
    return;
  }
  const isNew = newest && JSON.stringify(items[0]) !== newest;
  newest = JSON.stringify(items[0]);
  shown = isNew ? 0 : (shown + 1) % items.length;
  tell(place, items[shown]);
  if (isNew) rings();
}, NEWS_MS);
