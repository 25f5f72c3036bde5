// How far the figures are complete, and how old that is.
// Invariant: figures never seem newer than they are; the clock of the device is not asked.

import { clock, dated, fill, moment, say } from './text.js';
import { put } from './write.js';

const LIVE_SECONDS = 30;
const BEHIND_SECONDS = 120;
const OFFLINE_MS = 14_000; // The page looks once a second, so it says within 15 s that nothing arrives.

const page = document.documentElement;
const body = document.body.dataset;
const byId = (id) => document.getElementById(id);

// The first figures came with the page itself.
let known = {
  complete_through: body.complete || null,
  lag_seconds: body.lag ? Number(body.lag) : null,
  state: page.dataset.state,
};
let receivedAt = performance.getEntriesByType('navigation')[0]?.responseStart ?? 0;
let heardAt = performance.now();

export const heard = () => { heardAt = performance.now(); };
/** Nobody knows any more how old the figures are, until something is heard. */
export const doubt = () => { heardAt = -Infinity; };
export const silentFor = () => performance.now() - heardAt;
export const age = () =>
  (known.lag_seconds == null ? null : known.lag_seconds + Math.floor((performance.now() - receivedAt) / 1000));
export const isHeld = () => ['stale', 'offline'].includes(page.dataset.state);
export const stateOf = () => known.state;

/** Takes the freshness of an answer. */
export function learn(freshness) {
  heard();
  // An answer that says the same instant never makes it younger: it may come from somebody's cache.
  if (freshness.complete_through !== known.complete_through || age() == null || age() < freshness.lag_seconds) {
    receivedAt = performance.now();
    known = freshness;
  }
  known = { ...known, state: freshness.state };
}

function state() {
  if (page.dataset.state === 'loading') return 'loading';
  const seconds = age();
  if (silentFor() > OFFLINE_MS) return 'offline';
  if (seconds == null) return 'empty';
  if (seconds > BEHIND_SECONDS) return 'stale';
  if (known.state === 'empty') return 'empty';
  return seconds > LIVE_SECONDS ? 'behind' : 'live';
}

/** Says below the figures, and in their definitions, up to when they are, and as which revision. */
export function paintMoment(revision) {
  const at = known.complete_through && dated(known.complete_through);
  if (!at) return;
  put(byId('foot'), fill(say.foot, body.zone, at, revision));
  for (const element of document.querySelectorAll('.as-of')) put(element, at);
}

/** Shows the state; returns the one before if it changed. */
export function paintFreshness() {
  const [now, before, seconds] = [state(), page.dataset.state, age()];
  if (now === 'loading') return null;
  page.dataset.state = now;
  const held = isHeld();
  put(byId('fresh-label'), held ? say.complete_only : say.complete_through);
  put(byId('complete'), known.complete_through ? moment(known.complete_through) : '—');
  const late = () => fill(say.minutes_behind, Math.floor(seconds / 60), seconds % 60);
  put(byId('age'), seconds == null ? '' : held ? late() : fill(say.seconds_behind, seconds));
  const words = { stale: say.stale, offline: say.offline, empty: seconds == null ? say.never : '' }[now] ?? '';
  put(byId('fresh-words'), words);
  // The wall's clock is the server's: what is complete, and how long ago that was.
  const time = seconds != null && clock(Date.parse(known.complete_through) + seconds * 1000);
  if (time) put(byId('clock'), fill(say.now, time));
  if (now === before) return null;
  // Spoken on a change of state only; figures never.
  put(byId('status'), words || say[now] || (document.querySelector('.empty h2')?.textContent ?? say.empty_day));
  return before;
}
