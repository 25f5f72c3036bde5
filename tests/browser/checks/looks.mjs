// Every page in every theme, language and state: nothing for axe to find, and pictures to look at.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { address, axeSource, given, guarded, lagBehind, open, PHONE, standStill, tell, until, untilState, visit, WALL } from '../stage.mjs';

const PAGES = { today: '', rank: '?view=rank&level=store', channels: '?view=channels', me: `me?scope=staff:${given.staff}`, wall: 'wall?level=store' };
const axe = readFileSync(axeSource, 'utf8');

/** What axe finds on a page as it stands: all of it, or only what depends on colours, or all but that. */
async function violations(page, rules = 'all') {
  await page.evaluate(`globalThis.axe ?? (() => { ${axe} })()`);
  return page.evaluate(async (rules) => {
    const colours = ['color-contrast', 'link-in-text-block'];
    const limits = {
      all: {},
      colours: { runOnly: { type: 'rule', values: colours } },
      structure: { rules: Object.fromEntries(colours.map((rule) => [rule, { enabled: false }])) },
    };
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'], preload: false, ...limits[rules] });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, any }) => `${id}: ${html.slice(0, 160)} ${any[0]?.message ?? ''}`));
  }, rules);
}

/** Two at a time: as many as there are cores. */
async function inPairs(items, use) {
  const waiting = [...items];
  const work = async () => { while (waiting.length) await use(waiting.shift()); };
  await Promise.all([work(), work()]);
}

/** Every rule on every look. */
const WHOLE = [['zh', 'light', 'all'], ['zh', 'dark', 'all'], ['en', 'light', 'all'], ['en', 'dark', 'all']];
/** Of states: colours do not depend on the language, nor what stands where on the theme, so neither is looked at twice. */
const SPARING = [['zh', 'light', 'all'], ['zh', 'dark', 'colours'], ['en', 'dark', 'all']];

const SIZES = { phone: PHONE, screen: WALL };
const sizeOf = (name) => (name === 'wall' ? 'screen' : 'phone');

/** What axe finds on every page in these looks; `arrive` brings a page into the state, `use` looks at each as well. */
async function everyLook(pages, arrive, { looks = SPARING, use = () => [] } = {}) {
  const found = [];
  await inPairs(Object.entries(pages), ([name, path]) => visit({ viewport: SIZES[sizeOf(name)] }, async (page) => {
    let spoken = null;
    for (const [lang, theme, rules] of looks) {
      await page.emulateMedia({ colorScheme: theme });
      if (lang !== spoken) await arrive(page, path, lang);
      spoken = lang;
      const all = [...await violations(page, rules), ...await use(page, `${lang}-${theme}`, name)];
      found.push(...all.map((text) => `${name} ${lang} ${theme}: ${text}`));
    }
    found.push(...page.failures.map((failure) => `${name}: ${failure}`));
  }));
  return found;
}

/** Keeps a picture at each size, as somebody would hold the page or hang it up. */
async function keep(page, look, name, lookAt = () => {}) {
  // Of a page that is longer than the screen the tabs would cover the middle.
  const tabs = (position) => page.evaluate((position) => {
    for (const fixed of document.querySelectorAll('.tabs, .pin')) fixed.style.position = position;
  }, position);
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    if (size !== sizeOf(name)) await lookAt();
    const fullPage = size === 'phone' && name !== 'wall';
    if (fullPage) await tabs('static');
    await page.screenshot({ path: `${given.pictures}/${name}-${size}-${look}.png`, fullPage });
    await tabs('');
  }
  await page.setViewportSize(SIZES[sizeOf(name)]);
  return [];
}

/** The same, and what axe finds at the other size. */
async function audit(page, look, name) {
  const found = [];
  await keep(page, look, name, async () => found.push(...await violations(page)));
  return found;
}

const arriveAt = (state) => async (page, path, lang) => {
  await page.goto(address(path, { lang, theme: 'system' }));
  await untilState(page, state);
};

test('10. axe finds nothing on any live page, and pictures of each page, theme and language are kept', async () => {
  // What costs more than counts is read a moment after the first viewer came: a picture of an empty slot shows nothing.
  await inPairs(Object.values(PAGES), (path) => until(`all of ${path}`, async () => {
    const page = await (await fetch(address(path))).text();
    return !page.includes('这项还没有数据');
  }));
  assert.deepEqual(await everyLook(PAGES, arriveAt('live'), { looks: WHOLE, use: audit }), []);
});

test('10. axe finds nothing in an open sheet, nor in a row that was opened', async () => {
  const sheet = (opener, id) => async (page) => {
    await page.locator(opener).first().click();
    await page.locator(`#${id}[open]`).waitFor();
  };
  const opened = {
    definition: ['', sheet('[data-def="qualified_adds"]', 'def-qualified_adds')],
    share: ['', sheet('[data-sheet="share"]', 'share')],
    search: ['?view=channels', sheet('[data-sheet="search"]', 'search')],
    days: ['', sheet('#day', 'days')],
    row: ['?view=rank&level=store', async (page) => {
      await page.locator('#rows summary').first().click();
      await page.locator('details[open] [data-f="inside"] > *').first().waitFor();
    }],
  };
  const arrive = async (page, [path, open], lang) => {
    await arriveAt('live')(page, path, lang);
    await open(page);
  };
  assert.deepEqual(await everyLook(opened, arrive, { looks: WHOLE, use: keep }), []);
});

test('10. axe finds nothing while figures are behind', async () => {
  const release = await lagBehind(45);
  try {
    assert.deepEqual(await everyLook(PAGES, arriveAt('behind')), []);
  } finally {
    await release();
  }
});

test('10. axe finds nothing while figures are stale', async () => {
  const release = await standStill(200);
  try {
    assert.deepEqual(await everyLook(PAGES, arriveAt('stale')), []);
  } finally {
    await release();
  }
});

test('10. axe finds nothing on an empty day', async () => {
  const empty = async (page, path, lang) => {
    await page.goto(address(path.replace(/scope=[^&]*/, ''), { lang, theme: 'system', corp: given.quiet }));
    await untilState(page, 'empty');
  };
  assert.deepEqual(await everyLook(PAGES, empty), []);
});

test('10. axe finds nothing while nothing is known yet', async () => {
  await tell('clickhouse refuse');
  try {
    let corps = 0;
    const loading = async (page, path, lang) => {
      await page.goto(address(path, { lang, theme: 'system', corp: `never-${corps++}` }));
      assert.equal(await page.evaluate(() => document.documentElement.dataset.state), 'loading');
    };
    assert.deepEqual(await everyLook(PAGES, loading), []);
  } finally {
    await tell('clickhouse pass');
  }
});

test('10. axe finds nothing on a page that nobody reaches any more', async () => {
  const ready = [];
  const looks = Object.entries(PAGES).flatMap((page) => [['zh', 'all'], ['en', 'structure']].map((look) => [...page, ...look]));
  const pages = looks.map(([name, path, lang, rules]) => visit({ viewport: name === 'wall' ? WALL : PHONE }, async (page) => {
    await page.goto(address(path, { lang, theme: 'system' }));
    await untilState(page, 'live');
    ready.push(name);
    if (ready.length === looks.length) open.set('cut');
    await untilState(page, 'offline');
    assert.deepEqual(await violations(page, rules), [], `${name} ${lang}`);
    await page.emulateMedia({ colorScheme: 'dark' });
    assert.deepEqual(await violations(page, 'colours'), [], `${name} ${lang} dark`);
  }));
  await Promise.all(pages).finally(() => open.set('pass'));
});

test('10. axe finds nothing on a refusal', async () => {
  for (const link of [given.links.store, null]) {
    const refused = async (page, path, lang) => {
      await page.context().clearCookies();
      if (link) await page.goto(link.replace(given.guarded, guarded.url));
      const answer = await page.goto(`${guarded.url}/?scope=store:${given.other.id}&lang=${lang}`);
      assert.equal(answer.status(), link ? 403 : 401);
    };
    assert.deepEqual(await everyLook({ today: '' }, refused), []);
  }
});
