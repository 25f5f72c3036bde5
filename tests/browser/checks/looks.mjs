// Every page in every theme, language and state: nothing for axe to find, and pictures to look at.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { address, axeSource, given, guarded, open, PHONE, standStill, tell, untilState, visit, WALL } from '../stage.mjs';

const PAGES = { today: '', rank: '?view=rank&level=store', channels: '?view=channels', me: `me?scope=staff:${given.staff}`, wall: 'wall?level=store' };
const axe = readFileSync(axeSource, 'utf8');

async function violations(page) {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, any }) => `${id}: ${html.slice(0, 160)} ${any[0]?.message ?? ''}`));
  });
}

/** What axe finds on every page in every language and theme; `arrive` brings a page into the state. */
async function everyLook(pages, arrive) {
  const found = [];
  const look = ([name, path]) => visit({ viewport: name === 'wall' ? WALL : PHONE }, async (page) => {
    for (const lang of ['zh', 'en']) {
      await page.emulateMedia({ colorScheme: 'light' });
      await arrive(page, path, lang);
      for (const theme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme: theme });
        for (const text of await violations(page)) found.push(`${name} ${lang} ${theme}: ${text}`);
      }
    }
    found.push(...page.failures.map((failure) => `${name}: ${failure}`));
  });
  // Two at a time: as many as there are cores.
  const waiting = Object.entries(pages);
  const work = async () => { while (waiting.length) await look(waiting.shift()); };
  await Promise.all([work(), work()]);
  return found;
}

const arriveAt = (state) => async (page, path, lang) => {
  await page.goto(address(path, { lang, theme: 'system' }));
  await untilState(page, state);
};

test('10. axe finds nothing on any live page', async () => assert.deepEqual(await everyLook(PAGES, arriveAt('live')), []));

test('10. axe finds nothing while figures are behind', async () => {
  const release = await standStill(45);
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
  const pages = Object.entries(PAGES).map(([name, path]) => visit({ viewport: name === 'wall' ? WALL : PHONE }, async (page) => {
    await page.goto(address(path));
    await untilState(page, 'live');
    ready.push(name);
    if (ready.length === Object.keys(PAGES).length) open.set('cut');
    await untilState(page, 'offline', 30_000);
    assert.deepEqual(await violations(page), [], name);
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

test('pictures of every page, theme and language are kept', async () => {
  for (const [size, viewport] of Object.entries({ phone: PHONE, screen: WALL })) {
    for (const [name, path] of Object.entries(PAGES)) {
      await visit({ viewport }, async (page) => {
        for (const lang of ['zh', 'en']) {
          for (const theme of ['light', 'dark']) {
            await page.goto(address(path, { lang, theme }));
            await page.screenshot({ path: `${given.pictures}/${name}-${size}-${lang}-${theme}.png`, fullPage: size === 'phone' && name !== 'wall' });
          }
        }
      });
    }
  }
});
