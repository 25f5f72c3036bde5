// Web views without event streams, networks that hold them back, and the board's own stream while much happens.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PHONE, WALL, address, allowed, given, number, open, stateOf, tell, until, untilState, visit } from '../stage.mjs';
import { Relay } from '../relay.mjs';
import { sums } from '../sums.mjs';

/** What moves of a page before it is called restless; what answers a touch does not count. */
const SHIFT_MAX = 0.05;

/** Adds up in the page how far what it shows has moved by itself since it was opened. */
const watchShifts = () => {
  globalThis.shifted = [];
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
      if (!hadRecentInput) shifted.push([value, sources.map(({ node }) => node?.outerHTML?.slice(0, 80) ?? node?.nodeName).join(' ')]);
    }
  }).observe({ type: 'layout-shift', buffered: true });
};

/** Fails where a page moved by itself. */
async function assertStill(page, path) {
  const shifted = await page.evaluate(() => shifted);
  const sum = shifted.reduce((total, [value]) => total + value, 0);
  assert.ok(sum < SHIFT_MAX, `${path} moved by ${sum}: ${JSON.stringify(shifted)}`);
}

/** Whether the page polls, is live all the while, shows what comes, and stands still. */
async function polls(page, board = open) {
  await page.addInitScript(watchShifts);
  await page.goto(address().replace(open.url, board.url));
  const { ms } = await until('two polls', () => page.evaluate(() => {
    const taken = performance.getEntriesByType('resource').filter(({ initiatorType }) => initiatorType === 'fetch');
    // From when its scripts ran.
    const [page] = performance.getEntriesByType('navigation');
    return taken.length > 1 && { ms: taken[0].startTime - page.domContentLoadedEventStart };
  }));
  assert.ok(ms <= allowed(10_000), `the first poll came after ${ms} ms`);
  assert.equal(await stateOf(page), 'live');
  const adds = async () => number(await page.locator('#adds').innerText());
  const before = await adds();
  await tell('adds');
  await until('what was added', async () => (await adds()) > before);
  await assertStill(page, 'the polling page');
  assert.deepEqual(page.failures, []);
}

/** The pages with what adds up there, and how many such lists they have. */
const ADDED_UP = [['?level=store', 2], ['?view=rank&level=store', 1], ['?view=channels', 1], ['wall?level=store', 2]];
/** Bursts of adds of everybody, through every channel. */
const BURSTS = 8;

// Each waits most of its time.
describe('streams and what is like them', { concurrency: true }, () => {
  test('a web view that knows no event streams polls', () =>
    visit({ init: { script: () => { delete globalThis.EventSource; } } }, async (page) => {
      await polls(page);
      // Whatever else the page does, it does there too.
      await page.keyboard.press('/');
      assert.equal(await page.evaluate(() => document.querySelector('dialog[open]')?.id), 'search');
    }));

  test('a page whose stream is open and brings nothing polls', async () => {
    const held = await Relay.start(given.open);
    held.set('held');
    await visit({}, (page) => polls(page, held)).finally(() => held.stop());
  });

  test('4. channels and children add up to the total shown after each delta of the board itself, and nothing moves', () => {
    const before = new Map();
    const all = (condition) => ADDED_UP.every(([path]) => condition(path));
    const totals = new Map();
    let ended = false;
    const pages = ADDED_UP.map(([path, lists]) => visit({ viewport: path.startsWith('wall') ? WALL : PHONE }, async (page) => {
      await page.addInitScript(`(${watchShifts})(); globalThis.sums = ${sums}`);
      await page.goto(address(path));
      await untilState(page, 'live');
      await page.evaluate(() => {
        globalThis.shown = [];
        new MutationObserver(() => shown.push(sums())).observe(document.body, { attributeFilter: ['data-painted'] });
      });
      await until(`bursts on ${path}`, async () => {
        totals.set(path, await page.evaluate(() => shown.at(-1)?.[0] ?? 0));
        return ended;
      });
      const shown = await page.evaluate(() => shown);
      const wrong = shown.filter(([total, ...parts]) => parts.length !== lists || parts.some((part) => part !== total));
      assert.deepEqual(wrong, [], path);
      assert.ok(new Set(shown.map(([total]) => total)).size >= BURSTS, `${path}: ${shown.length} paints`);
      await assertStill(page, path);
      assert.deepEqual(page.failures, []);
    }));
    const bursts = (async () => {
      for (let n = 0; n < BURSTS; n += 1) {
        await until('what every page shows', () => all((path) => totals.get(path) > (before.get(path) ?? 0)));
        for (const [path, total] of totals) before.set(path, total);
        await tell('adds');
      }
      await until('the last burst', () => all((path) => totals.get(path) > before.get(path)));
    })().finally(() => { ended = true; });
    return Promise.all([bursts, ...pages]);
  });
});
