// A stream that the test writes itself, in place of the board's: a thousand events in seconds, at the moment that it wants.
// Invariant: its pictures begin as the board's own snapshot, and each agrees with itself as the board's do.

import http from 'node:http';
import { given } from './stage.mjs';

/** For `visit`: the page gets its events from `feed` alone, and paints without waiting for frames where `fast`. */
export const fed = (fast) => ({
  script: (paintsAtOnce) => {
    const handlers = {};
    globalThis.EventSource = class {
      addEventListener(name, handle) { (handlers[name] ??= []).push(handle); }
      close() {}
    };
    globalThis.feed = (name, data) => handlers[name]?.forEach((handle) => handle({ data: JSON.stringify(data) }));
    if (!paintsAtOnce) return;
    const channel = new MessageChannel();
    const frames = [];
    channel.port1.onmessage = () => frames.splice(0).forEach((paint) => paint(performance.now()));
    globalThis.requestAnimationFrame = (paint) => {
      frames.push(paint);
      if (frames.length === 1) channel.port2.postMessage(0);
      return 1;
    };
  },
  value: fast,
});

/** The first event of the board's own stream, as if it were newer than whatever the board says meanwhile. */
export const snapshot = (query) => new Promise((found, failed) => {
  const request = http.get(`${given.open}/api/v1/stream?corp=${given.corp}&${query}`, (answer) => {
    let text = '';
    answer.setEncoding('utf8');
    answer.on('data', (piece) => {
      text += piece;
      const data = /^data: ?(.*)\n/m.exec(text.replaceAll('\r', ''));
      if (!data || !text.includes('\n\n')) return;
      request.destroy();
      const picture = JSON.parse(data[1]);
      found({ ...picture, revision: picture.revision + 3_600_000 });
    });
  });
  request.on('error', failed);
});

/** So many deltas, each an add in some row and some channel; `random` is in [0, 1). */
export function deltas(picture, count, random) {
  const now = structuredClone(picture);
  const any = (list) => list[Math.floor(random() * list.length)];
  return Array.from({ length: count }, () => {
    const [row, channel] = [any(now.rows), any(now.channels)];
    row.adds += 1;
    if (row.net_adds != null) row.net_adds += 1;
    channel.adds += 1;
    now.figures.adds += 1;
    now.figures.net_adds += 1;
    now.revision += 1;
    const order = [...now.rows].sort((a, b) => (a.id === '') - (b.id === '') || b.adds - a.adds).map(({ id }) => id);
    const moved = JSON.stringify(order) !== JSON.stringify(now.order);
    now.order = order;
    return {
      revision: now.revision, freshness: now.freshness,
      figures: { adds: now.figures.adds, net_adds: now.figures.net_adds },
      rows: [{ id: row.id, adds: row.adds, net_adds: row.net_adds }],
      channels: [{ channel: channel.channel, adds: channel.adds }],
      ...(moved && { order }),
    };
  });
}

/** Numbers in [0, 1), the same in every run. */
export function dice(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
