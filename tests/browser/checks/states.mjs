// What each state withdraws, and how a page comes back by itself.

import assert from 'node:assert/strict';
import test from 'node:test';
import { SOON_MS, WALL, address, allowed, api, given, open, standStill, stateOf, until, untilState, visit } from '../stage.mjs';
import { fed, snapshot } from '../feed.mjs';

/** All text that can be seen within elements; of a drawing its name. */
const seen = (page, selector) => page.evaluate((selector) => {
  const shown = [...document.querySelectorAll(selector)].filter((each) => each.checkVisibility({ visibilityProperty: true }));
  const text = (element) => (element instanceof SVGElement ? element.outerHTML.slice(0, 60) : element.innerText.trim());
  return shown.map(text).filter(Boolean).join('\n');
}, selector);

/** What is unfair while some partitions are ahead of others (board, section 1). */
const UNFAIR = '[data-b="change"], [data-b="percent"], .pc, [data-f="move"], [data-f="change"], [data-f="sum-change"], #goal .w, .usual, .wpk .tug, #silent li, .todo .w, .why.w, .warn.w, #news, .bars small';

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
  ['?view=rank&level=store', 'zh', ['[data-f="move"]', '.usual', '.warn.w']],
  ['?view=channels', 'zh', ['#silent li', '.bars small']],
  ['wall?level=store', 'zh', ['.wpk .tug', '.why.w', '[data-f="move"]', '.wreg .usual', '#goal .range']],
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
    assert.match(await seen(page, '#hero, #ranks, #channels'), lang === 'en' ? /at least/i : /至少/);
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

test('the chart of a day with none before it to compare with names no yesterday', () =>
  visit({}, async (page) => {
    await page.goto(address());
    await untilState(page, 'live');
    await until('the trend', () => page.locator('#trend .plot').count());
    assert.match(await seen(page, '#trend .cap .w'), /昨日/);
    await page.evaluate(() => { document.querySelector('#trend .plot').dataset.before = ''; });
    assert.equal(await seen(page, '#trend .w'), '');
  }));

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

test('a phone that slept for an hour says so at once, and then shows the day as it stands, without a reload', () =>
  visit({
    init: {
      script: () => {
        const real = performance.now.bind(performance);
        globalThis.slept = 0;
        performance.now = () => real() + slept;
      },
    },
  }, async (page) => {
    await page.goto(address());
    await untilState(page, 'live');
    await page.evaluate(() => { globalThis.mark = 'the same page'; });
    const complete = () => page.evaluate(() => document.body.dataset.complete);
    const before = await complete();
    // Nothing ran meanwhile, and its stream is dead.
    open.set('cut');
    try {
      await page.evaluate(() => {
        globalThis.slept = 3_600_000;
        document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
      });
      await untilState(page, 'offline');
      assert.match(await page.locator('#age').innerText(), /已 (60|61) 分/);
      assert.equal(await seen(page, UNFAIR), '');
    } finally {
      open.set('pass');
    }
    await untilState(page, 'live');
    await until('newer figures', async () => (await complete()) > before);
    assert.equal(await page.evaluate(() => globalThis.mark), 'the same page');
  }));

test('a phone whose clock slept with it says at once that it does not know how old its figures are, and takes them anew', () =>
  visit({
    init: {
      script: () => {
        // The calendar goes on where the clock stood still.
        const real = Date.now.bind(Date);
        globalThis.slept = 0;
        Date.now = () => real() + slept;
      },
    },
  }, async (page) => {
    await page.goto(address());
    await untilState(page, 'live');
    const before = await page.evaluate(() => document.body.dataset.complete);
    open.set('cut');
    try {
      const [state, asked] = await page.evaluate(() => {
        globalThis.slept = 3_600_000;
        document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
        globalThis.mark = 'the same page';
        return [document.documentElement.dataset.state, performance.now()];
      });
      assert.equal(state, 'offline', 'before anything was asked for');
      assert.ok(asked < 3_600_000, 'its clock stood still');
      await until('withdrawals', async () => (await seen(page, UNFAIR)) === '');
    } finally {
      open.set('pass');
    }
    await untilState(page, 'live');
    await until('newer figures', async () => (await page.evaluate(() => document.body.dataset.complete)) > before);
    assert.equal(await page.evaluate(() => globalThis.mark), 'the same page');
  }));

test('the wall tells no news that the stream took back, none while the figures are not live, and sounds only when asked to', () =>
  visit({
    viewport: WALL,
    init: {
      script: `(${fed(false).script})(false); (${() => {
        // Eight seconds from one fact to the next are a fifth of one here.
        const real = globalThis.setInterval;
        globalThis.setInterval = (run, ms) => real(run, ms === 8_000 ? 200 : ms);
        globalThis.tones = 0;
        globalThis.OscillatorNode = class extends globalThis.OscillatorNode {
          start(at) {
            globalThis.tones += 1;
            super.start(at);
          }
        };
      }})();`,
    },
  }, async (page) => {
    const query = 'view=wall&level=store';
    await page.goto(address('wall?level=store', { lang: 'en' }));
    const picture = await snapshot(query);
    const [scope, at] = [{ level: 'store', id: given.own.id }, picture.freshness.complete_through];
    const fact = (value) => ({ at, kind: 'passed', scope, name: 'Somewhere', value });
    const news = page.locator('#news');
    let { revision } = picture;
    const told = (more, freshness = picture.freshness) => page.evaluate((delta) => feed('delta', delta), { revision: ++revision, freshness, ...more });
    await page.evaluate((picture) => feed('snapshot', picture), { ...picture, news: [fact(100)] });
    await until('the fact', async () => (await news.innerText()).includes('100'));
    const button = page.locator('#sound');
    assert.equal(await button.getAttribute('aria-pressed'), 'false', 'off by default');
    await told({ news: [fact(200), fact(100)] });
    await until('the new fact', async () => (await news.innerText()).includes('200'));
    assert.equal(await page.evaluate(() => tones), 0);
    assert.match(await button.innerText(), /: off$/);
    await button.click();
    assert.match(await button.innerText(), /: on$/);
    const asked = await page.evaluate(() => tones);
    await told({ news: [fact(300), fact(200)] });
    await until('the next fact', async () => (await news.innerText()).includes('300'));
    assert.equal(await page.evaluate(() => tones), asked + 1, 'once for what is new');
    await told({ news: [] });
    await until('that there is nothing', async () => (await news.innerText()).includes('Nothing to report'));
    await told({ news: [fact(400)] });
    await until('the fact', async () => (await news.innerText()).includes('400'));
    open.set('cut');
    await untilState(page, 'offline');
    await until('no fact', async () => !(await news.textContent()).includes('400'));
    assert.equal(await seen(page, '#news'), '');
    assert.deepEqual(page.failures, []);
  }).finally(() => open.set('pass')));

test('a browser that does not know the zone leaves the times that the server wrote', () =>
  visit({
    init: {
      script: () => {
        const Known = Intl.DateTimeFormat;
        Intl.DateTimeFormat = function format(locale, options) {
          if (options?.timeZone) throw new RangeError('no such zone');
          return new Known(locale, options);
        };
      },
    },
  }, async (page) => {
    await page.goto(address());
    await untilState(page, 'live');
    await until('figures of the stream', () => page.evaluate(() => Boolean(document.body.dataset.painted)));
    const [shown, through] = await page.evaluate(() => [document.getElementById('complete').textContent, document.body.dataset.complete]);
    const server = new Intl.DateTimeFormat('en-GB', { timeZone: given.zone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
    // Of the page as it was taken, at most a minute ago.
    const minutes = [0, 60_000].map((ago) => server.format(new Date(Date.parse(through) - ago)));
    assert.ok(minutes.includes(shown.slice(0, 5)), `${shown}, complete through ${through}`);
    assert.match(await page.locator('[data-b="label"]').first().innerText(), /\d\d:\d\d/);
    assert.deepEqual(page.failures, []);
  }));

/** Where the wall stands when its first shift was due, and after the page was taken anew. */
const shifts = (options) => visit({
  viewport: WALL,
  ...options,
  init: {
    script: () => {
      // The first of the shifts, ten minutes early.
      const real = globalThis.setInterval;
      globalThis.setInterval = (run, ms) => {
        if (ms !== 600_000) return real(run, ms);
        globalThis.shift = run;
        return 0;
      };
    },
  },
}, async (page) => {
  await page.goto(address('wall?level=store'));
  await untilState(page, 'live');
  await until('the shift', () => page.evaluate(() => Boolean(globalThis.shift)));
  const left = () => page.evaluate(() => document.querySelector('.wall').getBoundingClientRect().left);
  const before = await left();
  await page.evaluate(() => {
    globalThis.shift();
    // What the server does not write goes when the page is taken anew.
    document.querySelector('.wtop').dataset.mark = '';
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  });
  const shifted = (await left()) - before;
  await until('the page taken anew', () => page.evaluate(() => !document.querySelector('.wtop').hasAttribute('data-mark')));
  assert.equal((await left()) - before, shifted, 'and it stays there');
  assert.deepEqual(page.failures, []);
  return shifted;
});

test('the wall shifts by two pixels, which taking the page anew leaves, and not under reduced motion', async () => {
  assert.equal(await shifts({}), 2);
  assert.equal(await shifts({ reducedMotion: 'reduce' }), 0);
});

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
