// How much a page may cost (board, section 6).

import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import { address, given, visit } from '../stage.mjs';
import { deltas, dice, fed, snapshot } from '../feed.mjs';

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

test('14. a delta of a busy second is at most 4 kB, and costs a phone at most 4 ms of script a frame', () =>
  visit({ init: fed(false) }, async (page) => {
    const query = 'level=store';
    await page.goto(address(`?${query}`));
    const picture = await snapshot(query);
    // A mid-range phone has a quarter of this machine's speed.
    const session = await page.context().newCDPSession(page);
    await session.send('Emulation.setCPUThrottlingRate', { rate: 4 });
    const steps = deltas(picture, 60, dice(14));
    const took = await page.evaluate(async ([picture, steps]) => {
      feed('snapshot', picture);
      const took = [];
      for (const step of steps) {
        await new Promise((frame) => requestAnimationFrame(frame));
        const began = performance.now();
        feed('delta', step);
        took.push(performance.now() - began);
      }
      return took.sort((a, b) => a - b);
    }, [picture, steps]);
    // What else runs on this machine only ever adds to it.
    const quarter = took[took.length / 4];
    assert.ok(quarter <= 4, `a quarter took at most ${quarter} ms, the median was ${took[took.length / 2]} ms`);
    for (const step of steps) assert.ok(JSON.stringify(step).length <= 4_096);
  }));
