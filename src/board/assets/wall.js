// The wall: news of the day, and pixels that do not burn in.
// Invariant: news are facts of complete minutes, shown only while the figures are live.

const SHIFT_MS = 600_000;
const ITEMS = 3;

export function start() {
  let shifted = 0;
  setInterval(() => {
    shifted = (shifted + 1) % 2;
    document.querySelector('.wall').style.translate = `${shifted * 2}px ${shifted * 2}px`;
  }, SHIFT_MS);
}

/** Puts new items before the old; each is `{at, text, figure}`. */
export function tell(items) {
  const list = document.getElementById('news');
  if (!list) return;
  for (const item of items) {
    const [line, time, figure] = ['li', 'time', 'b'].map((name) => document.createElement(name));
    time.textContent = item.at;
    figure.textContent = item.figure ?? '';
    const [before, after] = item.text.split('{}');
    line.append(time, before, figure, after ?? '');
    list.prepend(line);
  }
  while (list.children.length > ITEMS) list.lastElementChild.remove();
}
