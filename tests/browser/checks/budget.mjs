// How much a page may cost (board, section 6).

import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import { address, allowed, given, tell, until, visit } from '../stage.mjs';
import { deltas, dice, fed, follow, snapshot } from '../feed.mjs';

const PAGES = ['', '?view=rank&level=staff', '?view=channels', `me?scope=staff:${given.staff}`, 'wall?level=store'];
const KB = 1_000;

/** Bytes of a body as they pass the network. */
const bytesOf = (url) => new Promise((found, failed) => {
  http.get(url, { headers: { 'accept-encoding': 'gzip' } }, (answer) => {
    let bytes = 0;
    answer.on('data', (piece) => { bytes += piece.length; });
    answer.on('end', () => (answer.statusCode === 200 ? found(bytes) : failed(new Error(`${url}: ${answer.statusCode}`))));
  }).on('error', failed);
});

test('14. each page stays within its bytes and nodes', async () => {
  const over = [];
  for (const path of PAGES) {
    await visit({ colorScheme: 'dark' }, async (page) => {
      for (const lang of ['zh', 'en']) {
        const files = new Set();
        page.removeAllListeners('response');
        page.on('response', (answer) => { if (answer.url().includes('/assets/')) files.add(new URL(answer.url()).pathname); });
        const url = address(path, { lang, theme: 'system' });
        await page.goto(url, { waitUntil: 'load' });
        const sum = async (kind) => {
          const sizes = [...files].filter((file) => file.endsWith(kind)).map((file) => bytesOf(given.open + file));
          return (await Promise.all(sizes)).reduce((total, bytes) => total + bytes, 0);
        };
        const html = await bytesOf(given.open + url.slice(new URL(url).origin.length));
        const [css, js, icon] = [await sum('.css'), await sum('.js'), await sum('.svg')];
        const nodes = await page.evaluate(() => document.querySelectorAll('*').length);
        const check = (what, value, most) => { if (value > most) over.push(`${path} ${lang}: ${what} ${value} > ${most}`); };
        check('HTML', html, 14 * KB);
        check('CSS', css, 6 * KB);
        check('JS', js, 14 * KB);
        check('all', html + css + js + icon, 45 * KB);
        check('nodes', nodes, 1_500);
      }
    });
  }
  assert.deepEqual(over, []);
});

test('14. the first figure is within the first 14 kB of the page', async () => {
  const text = await (await fetch(address())).text();
  const at = text.indexOf('id="adds"');
  assert.ok(at > 0 && Buffer.byteLength(text.slice(0, at)) < 14 * KB);
});

/** The best of so many tries: what else runs on this machine only ever adds to a time. */
async function best(tries, measure) {
  let least = Infinity;
  for (let n = 0; n < tries; n += 1) least = Math.min(least, await measure());
  return least;
}

test('14. the server answers with the page within 50 ms, and 4G shows the first figure within a second', async () => {
  const answered = await best(10, async () => {
    const began = performance.now();
    await (await fetch(address())).text();
    return performance.now() - began;
  });
  assert.ok(answered <= allowed(50), `the page took ${answered} ms`);
  await visit({}, async (page) => {
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    // 9 Mbit/s there and back within 170 ms: what a phone has in a shop.
    await session.send('Network.emulateNetworkConditions', { offline: false, latency: 170, downloadThroughput: 1_125_000, uploadThroughput: 1_125_000 });
    await session.send('Network.setCacheDisabled', { cacheDisabled: true });
    const shown = await best(5, async () => {
      await page.goto(address(), { waitUntil: 'load' });
      return page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime);
    });
    assert.ok(shown <= allowed(1_000), `the first figure was shown after ${shown} ms`);
  });
});

/** A page that follows `feed`, what it was fed first, and a reader of its counters. */
async function following(page, query) {
  await page.goto(address(`?${query}`));
  const picture = await snapshot(query);
  await page.evaluate((picture) => feed('snapshot', picture), picture);
  const session = await page.context().newCDPSession(page);
  // The time that a thread had the processor, however busy the machine is.
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const read = async () => Object.fromEntries((await session.send('Performance.getMetrics')).metrics.map(({ name, value }) => [name, value]));
  return { picture, session, read };
}

test('14. a delta costs a phone at most 4 ms of script a frame', () =>
  visit({ init: fed(false) }, async (page) => {
    const { picture, read } = await following(page, 'level=store');
    const steps = deltas(picture, 60, dice(14));
    const costs = [];
    for (const step of steps) {
      const before = (await read()).ScriptDuration;
      await page.evaluate(async (step) => {
        feed('delta', step);
        await new Promise((frame) => requestAnimationFrame(() => requestAnimationFrame(frame)));
      }, step);
      costs.push(((await read()).ScriptDuration - before) * 1_000);
    }
    costs.sort((a, b) => a - b);
    // A mid-range phone has a quarter of the speed of such a machine.
    const [median, worst] = [costs[costs.length / 2] * 4, costs.at(-1) * 4];
    assert.ok(median <= allowed(4), `half of the frames cost more than ${median} ms, the worst ${worst} ms`);
  }));

test('14. what the board sends after a busy second is at most 4 kB on every page', async () => {
  const queries = ['level=store', 'level=staff&metric=net_adds', 'view=rank&level=staff', 'view=channels', 'view=wall&level=store', `view=me&scope=staff:${given.staff}`];
  const failures = [];
  const streams = queries.map((query) => {
    const stream = { query, adds: 0, sizes: [] };
    stream.end = follow(query, (name, text) => {
      stream.adds = JSON.parse(text).figures?.adds ?? stream.adds;
      if (name === 'delta') stream.sizes.push(Buffer.byteLength(text));
    }, (error) => failures.push(error));
    return stream;
  });
  try {
    await until('the first figures', () => streams.every(({ adds }) => adds > 0));
    for (let second = 0; second < 3; second += 1) {
      const before = streams.map(({ adds }) => adds);
      // Of everybody, through every channel.
      await tell('adds');
      await until('what was added', () => streams.every(({ adds }, n) => adds > before[n]));
    }
  } finally {
    for (const { end } of streams) end();
  }
  assert.deepEqual(failures, []);
  for (const { query, sizes } of streams) {
    const most = Math.max(...sizes);
    assert.ok(most > 400 && most <= 4_096, `${query}: at most ${most} bytes`);
  }
});

test('14. no frame changes more than 60 texts, though every row does', () =>
  visit({ init: fed(false) }, async (page) => {
    const { picture } = await following(page, 'view=rank&level=staff');
    const rows = picture.rows.map((row) => ({ ...row, adds: row.adds + 1, net_adds: (row.net_adds ?? 0) + 1, qualified_adds: (row.qualified_adds ?? 0) + 1, staff_active: row.staff_active + 1 }));
    const counts = await page.evaluate(async ([rows, revision, freshness]) => {
      const counts = [];
      // One call for each frame that wrote.
      const observer = new MutationObserver((changes) => counts.push(changes.filter(({ addedNodes }) => addedNodes[0]?.nodeType === Node.TEXT_NODE).length));
      observer.observe(document.querySelector('main'), { subtree: true, childList: true });
      feed('delta', { revision, freshness, rows });
      while (document.body.dataset.painted !== String(revision)) await new Promise((frame) => requestAnimationFrame(frame));
      observer.disconnect();
      return counts;
    }, [rows, picture.revision + 1, picture.freshness]);
    assert.ok(counts.reduce((sum, count) => sum + count, 0) > 60, `only ${counts} changed`);
    assert.ok(Math.max(...counts) <= 60, `a frame changed ${counts}`);
  }));

test('14. what eight hours bring leaves neither memory nor nodes behind', () =>
  visit({ init: fed(true), reducedMotion: 'reduce' }, async (page) => {
    const { picture, session, read } = await following(page, 'level=store');
    const kept = async () => {
      await session.send('HeapProfiler.collectGarbage');
      return read();
    };
    // A hundred at a time are painted at once, as after a frame that took long.
    const follow = (steps) => page.evaluate(async (steps) => {
      for (let at = 0; at < steps.length; at += 100) {
        for (const step of steps.slice(at, at + 100)) feed('delta', step);
        await new Promise((then) => setTimeout(then));
      }
    }, steps);
    const random = dice(8);
    await follow(deltas(picture, 2_000, random));
    const before = await kept();
    const later = { ...picture, revision: picture.revision + 2_000 };
    // An eighth of what eight hours bring at most, two a second; as much for each as would make 2 MB of all.
    const count = 7_200;
    await follow(deltas(later, count, random));
    const after = await kept();
    const grown = after.JSHeapUsedSize - before.JSHeapUsedSize;
    assert.ok(grown <= 250_000, `${grown} bytes for ${count} deltas`);
    assert.ok(after.Nodes - before.Nodes <= 100, `${after.Nodes - before.Nodes} nodes for ${count} deltas`);
  }));
