// Writes into the page: a few texts a frame, and rows only where no finger is.
// Invariant: layout never moves while somebody touches, scrolls or reads with the keyboard.

const TEXTS_A_FRAME = 60; // More would cost a phone a frame.
const ORDER_MS = 5_000; // Rows change places at most so often,
const TOUCHED_MS = 2_000; // and never under a finger.

const waiting = new Map();
let settled = () => {};
let frame = 0;

export const onSettled = (then) => { settled = then; };

/** Sets a text; a figure tints when it changes. Null: what is there stays. */
export function put(element, text, tints) {
  if (!element || text == null) return;
  if (element.textContent === text) waiting.delete(element);
  else waiting.set(element, [text, tints]);
  flushSoon();
}

export function flushSoon() {
  frame ||= requestAnimationFrame(flush);
}

function flush() {
  frame = 0;
  let left = TEXTS_A_FRAME;
  for (const [element, [text, tints]] of waiting) {
    if (left-- <= 0) break;
    waiting.delete(element);
    element.textContent = text;
    if (tints) {
      element.classList.remove('tick');
      requestAnimationFrame(() => element.classList.add('tick'));
    }
  }
  if (waiting.size) flushSoon();
  else settled();
}

/** A text with its direction: up, down or neither. */
export function mark(element, [direction, text]) {
  if (!element) return;
  put(element, text);
  element.classList.toggle('up', direction === 'up');
  element.classList.toggle('down', direction === 'down');
}

export const widen = (element, width) => {
  if (element && element.getAttribute('width') !== width) element.setAttribute('width', width);
};

const orderedAt = new WeakMap(); // Of each list.
let touchedAt = -Infinity;
for (const name of ['pointerdown', 'pointermove', 'touchmove', 'scroll', 'wheel', 'focusin', 'keydown']) {
  addEventListener(name, () => { touchedAt = performance.now(); }, { passive: true, capture: true });
}
export const still = matchMedia('(prefers-reduced-motion: reduce)');

/** Whether rows may change places now. */
export function calm(list) {
  const now = performance.now();
  return now - (orderedAt.get(list) ?? -Infinity) >= ORDER_MS && now - touchedAt >= TOUCHED_MS && !list.contains(document.activeElement);
}

/** Brings the rows of a list in order, if nobody is at it; returns whether they are. */
export function arrange(list, elements) {
  if (elements.length === list.children.length && elements.every((element, n) => list.children[n] === element)) return true;
  if (!calm(list)) return false;
  orderedAt.set(list, performance.now());
  const before = new Map([...list.children].map((element) => [element, element.getBoundingClientRect().top]));
  list.replaceChildren(...elements);
  if (still.matches) return true;
  for (const element of elements) {
    const moved = (before.get(element) ?? NaN) - element.getBoundingClientRect().top;
    if (moved) element.animate([{ transform: `translateY(${moved}px)` }, { transform: 'none' }], { duration: 200, easing: 'ease-out' });
  }
  return true;
}
