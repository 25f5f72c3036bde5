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

/** Follows the board's own stream: calls `take` with the name and the text of each event; returns what ends it. */
export function follow(query, take, failed) {
  const request = http.get(`${given.open}/api/v1/stream?corp=${given.corp}&${query}`, (answer) => {
    let text = '';
    answer.setEncoding('utf8');
    answer.on('data', (piece) => {
      text += piece.replaceAll('\r', '');
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const event = text.slice(0, end);
        text = text.slice(end + 2);
        const data = /^data: ?(.*)$/m.exec(event);
        if (data) take(/^event: ?(.*)$/m.exec(event)[1], data[1]);
      }
    });
  });
  let ended = false;
  request.on('error', (error) => { if (!ended) failed(error); });
  return () => {
    ended = true;
    request.destroy();
  };
}

/** The first event of the board's own stream, as if it were newer than whatever the board says meanwhile. */
export const snapshot = (query) => new Promise((found, failed) => {
  const end = follow(query, (_, text) => {
    end();
    const picture = JSON.parse(text);
    found({ ...picture, revision: picture.revision + 3_600_000 });
  }, failed);
});

/** The lists of a picture, each with what its items are known by. */
const LISTS = { rows: 'id', groups: 'group', channels: 'channel' };

/** So many deltas, each an add in some item of each list that the page is sent; `random` is in [0, 1). */
export function deltas(picture, count, random) {
  const now = structuredClone(picture);
  const any = (list) => list[Math.floor(random() * list.length)];
  return Array.from({ length: count }, () => {
    now.figures.adds += 1;
    now.figures.net_adds += 1;
    now.revision += 1;
    const delta = {
      revision: now.revision, freshness: now.freshness,
      figures: { adds: now.figures.adds, net_adds: now.figures.net_adds },
    };
    for (const [list, identity] of Object.entries(LISTS)) {
      if (!now[list]) continue;
      const item = any(now[list]);
      item.adds += 1;
      if (item.net_adds != null) item.net_adds += 1;
      delta[list] = [{ [identity]: item[identity], adds: item.adds, ...(item.net_adds != null && { net_adds: item.net_adds }) }];
    }
    if (!now.rows) return delta;
    const order = [...now.rows].sort((a, b) => (a.id === '') - (b.id === '') || b.adds - a.adds).map(({ id }) => id);
    if (JSON.stringify(order) !== JSON.stringify(now.order)) delta.order = order;
    now.order = order;
    return delta;
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
