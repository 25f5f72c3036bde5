// What each state withdraws, and how a page comes back by itself.

import assert from 'node:assert/strict';
import test from 'node:test';
import { address, api, open, standStill, stateOf, until, untilState, visit } from '../stage.mjs';

/** All text that can be seen within elements; of a drawing its name. */
const seen = (page, selector) => page.evaluate((selector) => {
  const shown = [...document.querySelectorAll(selector)].filter((each) => each.checkVisibility({ visibilityProperty: true }));
  const text = (element) => (element instanceof SVGElement ? element.outerHTML.slice(0, 60) : element.innerText.trim());
  return shown.map(text).filter(Boolean).join('\n');
}, selector);

/** What is unfair while some partitions are ahead of others (board, section 1). */
const UNFAIR = '[data-b="change"], [data-b="percent"], .pc, [data-f="move"], [data-f="change"], #goal .w, .usual, .wpk .tug, #silent li, .bars small';

/** A place where so many wait for each other, though not for ever. */
const meeting = (count) => {
  let here = 0;
  let go;
  const all = new Promise((done) => { go = done; });
  return () => {
    here += 1;
    if (here === count) go();
    return Promise.race([all, new Promise((_, fail) => setTimeout(fail, 40_000, new Error('another page failed')))]);
  };
};

test('2. at 121 s the banner stands, adds read "at least", comparisons go, and all comes back without a reload', async () => {
  const paths = [['', 'zh'], ['', 'en'], ['?view=rank&level=store', 'zh'], ['?view=channels', 'zh'], ['wall?level=store', 'zh']];
  const [opened, withdrawn] = [meeting(paths.length), meeting(paths.length)];
  let release = null;
  const pages = paths.map(([path, lang]) => visit({}, async (page) => {
    await page.goto(address(path, { lang }));
    await untilState(page, 'live');
    await page.evaluate(() => { globalThis.mark = 'the same page'; });
    assert.notEqual(await seen(page, UNFAIR), '', `${path} shows something that can be withdrawn`);
    await opened();
    release ??= standStill(121);
    const recover = await release;
    await untilState(page, 'stale');
    assert.equal(await seen(page, UNFAIR), '', `${path} withdraws`);
    const banner = await seen(page, '.fresh');
    assert.match(banner, lang === 'en' ? /min/ : /分/, banner);
    if (!path.includes('view=')) assert.match(await seen(page, '#hero'), lang === 'en' ? /at least/i : /至少/);
    assert.match(await seen(page, '#adds, [data-n="adds"]'), /\d/, 'the figure itself stays');
    await withdrawn();
    await recover();
    await untilState(page, 'live', 15_000);
    await until(`${path} shows comparisons again`, 40_000, async () => (await seen(page, UNFAIR)) !== '');
    assert.equal(await page.evaluate(() => globalThis.mark), 'the same page');
    assert.deepEqual(page.failures, []);
  }));
  await Promise.all(pages);
});

test('the API withdraws the same as the pages while figures are stale', async () => {
  const release = await standStill(121);
  try {
    const stale = await until('a stale answer', 10_000, async () => {
      const answer = await api('leaderboard', 'level=store');
      return answer.freshness.state === 'stale' && answer;
    });
    assert.equal(stale.data.held, true);
    assert.ok(stale.data.rows.every((row) => row.rank_before === null && row.baseline_adds === null));
  } finally {
    await release();
  }
  await until('live again', 10_000, async () => (await api('leaderboard')).freshness.state === 'live');
});

test('7. with the stream cut the page polls within 10 s, with both cut it says offline within 15 s, and it recovers', () =>
  visit({}, async (page) => {
    await page.goto(address());
    await untilState(page, 'live');
    const asked = [];
    page.on('request', (request) => { if (request.resourceType() === 'fetch') asked.push(performance.now()); });
    let cutAt = performance.now();
    open.set('no-streams');
    await until('a first poll', 10_000, () => asked.find((at) => at > cutAt));
    await until('a second poll', 10_000, () => asked.filter((at) => at > cutAt).length > 1);
    assert.equal(await stateOf(page), 'live', 'polling is as good');
    cutAt = performance.now();
    open.set('cut');
    await untilState(page, 'offline', 15_500);
    assert.match(await seen(page, '.fresh'), /连不上|网络|断/);
    assert.equal(await seen(page, UNFAIR), '');
    open.set('pass');
    await untilState(page, 'live', 20_000);
  }).finally(() => open.set('pass')));

test('15. under reduced motion nothing is animated', () =>
  visit({ reducedMotion: 'reduce' }, async (page) => {
    await page.goto(address('?level=store'));
    await untilState(page, 'live');
    const moving = () => page.evaluate(() => document.getAnimations().length);
    const release = await standStill(60);
    await untilState(page, 'behind');
    assert.equal(await moving(), 0);
    await release();
    await untilState(page, 'live');
    await page.evaluate(() => document.getElementById('adds').classList.add('tick'));
    assert.equal(await moving(), 0);
  }));
