// The wall: pixels that do not burn in.
// Invariant: the picture moves by so little that nobody sees it.

const SHIFT_MS = 600_000;

export function start() {
  let shifted = 0;
  setInterval(() => {
    shifted = (shifted + 1) % 2;
    document.querySelector('.wall').style.translate = `${shifted * 2}px ${shifted * 2}px`;
  }, SHIFT_MS);
}
