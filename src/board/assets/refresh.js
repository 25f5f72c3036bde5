// Takes the page anew from the server and changes what differs.
// Invariant: what a viewer has opened, typed or focused stays; rows keep their places under a finger, and while the figures
// are stale.

import { isHeld } from './fresh.js';
import { news } from './paint.js';
import { arrange } from './write.js';

const WAIT_MS = 5_000;
/** What the viewer or the stream owns. */
const OWN = '#status, #clock, #sound, #copied, #readout, [data-f="inside"], input, #found, #found-none, .fresh *';

/** The page as the server renders it now; throws where it cannot be had. */
export async function takePage() {
  const answer = await fetch(location.href, { cache: 'no-cache', signal: AbortSignal.timeout(WAIT_MS) });
  if (!answer.ok) throw new Error(`page: ${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), 'text/html');
}

/** Changes this page into `fresh`, but for its state, which the age of its figures decides. */
export function become(fresh) {
  held = isHeld() && document.body.dataset.day === fresh.body.dataset.day;
  for (const name of ['complete', 'lag', 'day', 'revision']) document.body.dataset[name] = fresh.body.dataset[name] ?? '';
  document.title = fresh.title;
  children(document.body, fresh.body);
}

/** Whether rows keep their places, and with them their ranks. */
let held = false;

function morph(old, fresh) {
  if (old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(document.importNode(fresh, true));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  // What happened is the stream's to tell, where there is one.
  if (old.matches(OWN) || (old.id === 'news' && news())) return;
  if (held && old.dataset.f === 'rank') return;
  attributes(old, fresh);
  if (old.id === 'rows') rows(old, fresh);
  else children(old, fresh);
}

function attributes(old, fresh) {
  const own = (name) => name === 'open' || name === 'tabindex';
  for (const { name, value } of [...fresh.attributes]) {
    if (!own(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!own(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
}

const keyOf = (node) => node.dataset?.id ?? node.id ?? '';

/** Matches children by their key where both have it, else by their place. */
function children(old, fresh) {
  const keyed = new Map([...old.children].filter(keyOf).map((child) => [keyOf(child), child]));
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const same = keyOf(child) && keyed.get(keyOf(child));
    if (same && same !== place) old.insertBefore(same, place);
    const target = same || (place && !keyOf(place) && !keyOf(child) ? place : null);
    if (target) {
      place = target.nextSibling;
      morph(target, child);
    } else {
      old.insertBefore(document.importNode(child, true), place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function rows(list, fresh) {
  const present = new Map([...list.children].map((element) => [element.dataset.id, element]));
  const elements = [...fresh.children].map((row) => {
    const element = present.get(row.dataset.id);
    if (element) children(element, row);
    return element ?? document.importNode(row, true);
  });
  if (!held) arrange(list, elements);
}
