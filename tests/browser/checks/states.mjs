// What each state withdraws, and how a page comes back by itself.

import assert from 'node:assert/strict';
import test from 'node:test';
import { SOON_MS, address, allowed, api, open, standStill, stateOf, until, untilState, visit } from '../stage.mjs';

/** All text that can be seen within elements; of a drawing its name. */
const seen = (page, selector) => page.evaluate((selector) => {
  const shown = [...document.querySelectorAll(selector)].filter((each) => each.checkVisibility({ visibilityProperty: true }));
  const text = (element) => (element instanceof SVGElement ? element.outerHTML.slice(0, 60) : element.innerText.trim());
  return shown.map(text).filter(Boolean).join('\n');
}, selector);

/** What is unfair while some partitions are ahead of others (board, section 1). */
const UNFAIR = '[data-b="change"], [data-b="percent"], .pc, [data-f="move"], [data-f="change"], #goal .w, .usual, .wpk .tug, #silent li, .todo .w, .bars small';

/** A place where so many wait for each other, though not for ever. */
const meeting = (count) => {
  let here = 0;
  let go;
  const all = new Promise((done) => { go = done; });
  return () => {
    here += 1;
    if (here === count) go();
    return Promise.race([all, new Promise((_, fail) => setTimeout(fail, SOON_MS, new Error('another page failed')))]);
  };
};

/** What the pages of a live board compare, each kind of it. */
const COMPARED = [
  ['', 'zh', ['[data-b="change"]', '[data-b="percent"]', '#goal .range', '#goal .usual', '#rows [data-f="change"]', '.pc']],
  ['', 'en', ['[data-b="percent"]']],
  ['?view=rank&level=store', 'zh', ['[data-f="move"]', '.usual']],
  ['?view=channels', 'zh', ['#silent li', '.bars small']],
  ['wall?level=store', 'zh', ['.wpk .tug', '[data-f="move"]', '.wreg .usual', '#goal .range']],
];

test('2. at 121 s the banner stands, adds read "at least", comparisons go, and all comes back without a reload', async () => {
  const [opened, withdrawn] = [meeting(COMPARED.length), meeting(COMPARED.length)];
  let release = null;
  const pages = COMPARED.map(([path, lang, kinds]) => visit({}, async (page) => {
    await page.goto(address(path, { lang }));
    await untilState(page, 'live');
    await page.evaluate(() => { globalThis.mark = 'the same page'; });
    for (const kind of kinds) await until(`${path} shows ${kind}`, async () => (await seen(page, kind)) !== '');
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
    await untilState(page, 'live');
    for (const kind of kinds) await until(`${path} shows ${kind} again`, async () => (await seen(page, kind)) !== '');
    assert.equal(await page.evaluate(() => globalThis.mark), 'the same page');
    assert.deepEqual(page.failures, []);
  }));
  await Promise.all(pages);
});

test('the API withdraws the same as the pages while figures are stale', async () => {
  const release = await standStill(121);
  try {
    const stale = await until('a stale answer', async () => {
      const answer = await api('leaderboard', 'level=store');
      return answer.freshness.state === 'stale' && answer;
    });
    assert.equal(stale.data.held, true);
    assert.ok(stale.data.rows.every((row) => row.rank_before === null && row.baseline_adds === null));
  } finally {
    await release();
  }
  await until('live again', async () => (await api('leaderboard')).freshness.state === 'live');
});

test('7. with the stream cut the page polls within 10 s, with both cut it says offline within 15 s, and it recovers', () =>
  visit({}, async (page) => {
    await page.goto(address());
    await untilState(page, 'live');
    // All times are the page's own: how long this test takes to look does not count.
    const now = () => page.evaluate(() => performance.now());
    await page.evaluate(() => {
      globalThis.since = {};
      new MutationObserver(() => { since[document.documentElement.dataset.state] ??= performance.now(); })
        .observe(document.documentElement, { attributeFilter: ['data-state'] });
    });
    const polls = (after) => page.evaluate((after) => performance.getEntriesByType('resource')
      .filter(({ initiatorType, startTime }) => initiatorType === 'fetch' && startTime > after).map(({ startTime }) => startTime - after), after);
    let cutAt = await now();
    open.set('no-streams');
    const [first] = await until('two polls', async () => {
      const found = await polls(cutAt);
      return found.length > 1 && found;
    });
    assert.ok(first <= allowed(10_000), `the first poll came after ${first} ms`);
    assert.equal(await stateOf(page), 'live', 'polling is as good');
    cutAt = await now();
    open.set('cut');
    await untilState(page, 'offline');
    const offline = await page.evaluate(() => since.offline) - cutAt;
    assert.ok(offline <= allowed(15_000), `it said so after ${offline} ms`);
    assert.match(await seen(page, '.fresh'), /连不上|网络|断/);
    assert.equal(await seen(page, UNFAIR), '');
    open.set('pass');
    await untilState(page, 'live');
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
