// What fingers, keys and small screens meet.

import assert from 'node:assert/strict';
import test from 'node:test';
import { address, api, given, guarded, standStill, untilState, until, visit } from '../stage.mjs';
import { fed, snapshot } from '../feed.mjs';

const orderOf = (page) => page.evaluate(() => [...document.querySelectorAll('#rows > li')].map((row) => row.dataset.id));

test('8. a row under a finger keeps its place for 2 s, and then takes its new one', () =>
  visit({ init: fed(false), hasTouch: true }, async (page) => {
    const query = 'view=rank&level=store';
    await page.goto(address(`?${query}`));
    const picture = await snapshot(query);
    await page.evaluate((picture) => feed('snapshot', picture), picture);
    const before = await orderOf(page);
    assert.ok(before.length > 2, 'rows');
    // Rows may change places 5 s after they last did.
    await page.waitForFunction(() => performance.now() > 6_000);
    const box = await page.locator('#rows > li').nth(1).boundingBox();
    const turned = [...before.slice(0, -1)].reverse().concat(before.slice(-1));
    const delta = { revision: picture.revision + 1, freshness: picture.freshness, rows: [], order: turned };
    await page.mouse.move(box.x + 40, box.y + 20);
    const touchedAt = performance.now();
    await page.evaluate((delta) => feed('delta', delta), delta);
    let changedAt = null;
    await until('the new order', async () => {
      const changed = JSON.stringify(await orderOf(page)) === JSON.stringify(turned);
      if (changed) changedAt = performance.now();
      else await page.evaluate((delta) => feed('delta', delta), { revision: delta.revision, freshness: delta.freshness });
      return changed;
    });
    assert.ok(changedAt - touchedAt >= 1_950, `it moved after ${Math.round(changedAt - touchedAt)} ms`);
  }));

test('rows change places at most every 5 s, and neither while the page scrolls nor under the focus', () =>
  visit({ init: fed(false) }, async (page) => {
    const query = 'view=rank&level=store';
    await page.goto(address(`?${query}`));
    const picture = await snapshot(query);
    await page.evaluate((picture) => feed('snapshot', picture), picture);
    // Every 100 ms the other order; by the page's own clock when rows moved, and while what was done.
    const moves = (milliseconds, meanwhile) => page.evaluate(async ([milliseconds, meanwhile, revision, freshness]) => {
      const list = document.getElementById('rows');
      const link = list.querySelector('summary');
      const orders = [[...list.children].map((row) => row.dataset.id)];
      orders.push([...orders[0].slice(0, -1)].reverse().concat(orders[0].slice(-1)));
      const moved = [];
      const observer = new MutationObserver(() => moved.push(performance.now()));
      observer.observe(list, { childList: true });
      const until = performance.now() + milliseconds;
      for (let n = 0; performance.now() < until; n += 1) {
        if (meanwhile === 'focus') link.focus();
        if (meanwhile === 'scroll') {
          scrollTo(0, 1 + n % 2);
          // The page hears of it with the next frame.
          await new Promise((frame) => requestAnimationFrame(() => requestAnimationFrame(frame)));
        }
        feed('delta', { revision, freshness, order: orders[1 - Math.min(1, moved.length % 2)] });
        await new Promise((then) => setTimeout(then, 100));
      }
      observer.disconnect();
      link.blur();
      return moved;
    }, [milliseconds, meanwhile, picture.revision, picture.freshness]);
    assert.deepEqual(await moves(6_000, 'focus'), [], 'under the focus');
    assert.deepEqual(await moves(6_000, 'scroll'), [], 'while it scrolls');
    const moved = await moves(14_000, 'nothing');
    assert.ok(moved.length >= 2 && moved.length <= 4, `${moved.length} times`);
    // The page is told of a move a moment after it.
    moved.slice(1).forEach((at, n) => assert.ok(at - moved[n] >= 4_900, `${at - moved[n]} ms after the time before`));
  }));

test('bars of channels take their new order once nobody is at them', () =>
  visit({ init: fed(false) }, async (page) => {
    await page.goto(address());
    const picture = await snapshot('');
    await page.evaluate((picture) => feed('snapshot', picture), picture);
    const order = () => page.evaluate(() => [...document.querySelectorAll('[data-group]')].map((bar) => bar.dataset.group));
    const before = await order();
    assert.ok(before.length > 2 && before.at(-1) === 'unattributed', `${before}`);
    const most = Math.max(...picture.groups.map(({ adds }) => adds));
    // The smallest becomes the largest; what belongs to none stays last, however much it is.
    const groups = [{ group: before.at(-2), adds: most + 1 }, { group: 'unattributed', adds: most + 2 }];
    const expected = [before.at(-2), ...before.slice(0, -2), 'unattributed'];
    await page.evaluate((delta) => feed('delta', delta), { revision: picture.revision + 1, freshness: picture.freshness, groups });
    await until('the new order', async () => JSON.stringify(await order()) === JSON.stringify(expected));
    assert.deepEqual(page.failures, []);
  }));

test('the own row is pinned above the tabs and follows the stream', () =>
  visit({ init: fed(false) }, async (page) => {
    const { data, freshness, revision, business_date } = await api('search', `q=${encodeURIComponent(given.own.name)}`);
    const region = data.find(({ level, id }) => level === 'store' && id === given.own.id).path.find(({ level }) => level === 'region').id;
    await page.goto(given.links.store.replace(given.guarded, guarded.url));
    await page.goto(`${guarded.url}/?view=rank&scope=region:${region}&level=store&lang=en`);
    const pin = page.locator('.pin');
    assert.match(await pin.innerText(), new RegExp(given.own.name));
    const mine = {
      id: given.own.id, name: given.own.name, rank: 4, rank_before: 6, adds: 1_234, net_adds: 1_200, qualified_adds: 1_100,
      baseline_adds: 1_000, staff_active: 7, target: 2_000, rank_next: 2, gap_next: 17,
    };
    await page.evaluate((picture) => feed('snapshot', picture), { revision, business_date, metric: 'adds', freshness, rows: [], order: [], mine });
    await until('the own row', async () => /▲2[^]*rank 2 is 17 ahead[^]*1,234[^]*qual\. 1,100/.test(await pin.innerText()));
    assert.equal(await pin.locator('[data-rank="4"]').count(), 1);
    await page.evaluate((delta) => feed('delta', delta), { revision, freshness, mine: { adds: 1_240, gap_next: 11 } });
    await until('what changed of it', async () => /rank 2 is 11 ahead[^]*1,240/.test(await pin.innerText()));
  }));

test('while the figures are stale rows keep their places and ranks, also where the page is taken anew', () =>
  visit({}, async (page) => {
    await page.goto(address('?view=rank&level=store'));
    await untilState(page, 'live');
    const release = await standStill(200);
    try {
      await untilState(page, 'stale');
      const ranks = () => page.evaluate(() => [...document.querySelectorAll('#rows > li')].map((row) => [row.dataset.id, row.querySelector('[data-f="rank"]').textContent]));
      const before = await ranks();
      let taken = 0;
      // As if all had changed places meanwhile.
      await page.route((url) => url.search.includes('view=rank') && !url.pathname.includes('api'), async (route) => {
        const answer = await route.fetch();
        const body = await answer.text();
        const [head, rest] = body.split('<ol class="lb" id="rows">');
        const end = rest.indexOf('</ol>');
        const rows = rest.slice(0, end).split('<li ').slice(1).map((row, n, all) => `<li ${row.replace(/(data-f="rank" data-rank=")[^"]*(">)[^<]*/, `$1${all.length - n}$2${all.length - n}`)}`);
        taken += 1;
        await route.fulfill({ response: answer, body: `${head}<ol class="lb" id="rows">${rows.reverse().join('')}${rest.slice(end)}` });
      });
      // To share is to take the page anew.
      await page.locator('[data-sheet="share"]').click();
      await until('the page was taken anew', () => taken > 0);
      await page.waitForFunction(() => document.body.dataset.painted !== undefined);
      await new Promise((then) => setTimeout(then, 500));
      assert.deepEqual(await ranks(), before);
      await page.keyboard.press('Escape');
      await release();
      await untilState(page, 'live');
      await until('the order of what the server says now', async () => JSON.stringify(await ranks()) !== JSON.stringify(before));
    } finally {
      await release();
    }
  }));

test('keys and touch open the search and the days, and lead from day to day', () =>
  visit({}, async (page) => {
    await page.goto(address());
    await untilState(page, 'live');
    const opened = () => page.evaluate(() => document.querySelector('dialog[open]')?.id ?? null);
    await page.keyboard.press('/');
    assert.equal(await opened(), 'search');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'q');
    await page.keyboard.type(given.own.name.slice(0, 3));
    const found = page.locator('#found a', { hasText: given.own.name });
    await found.waitFor();
    assert.match(await found.getAttribute('href'), new RegExp(`scope=store%3A${given.own.id}`));
    await page.locator('#q').fill('nobody is called like this');
    await until('that there is none', async () => (await page.locator('#found-none').innerText()) !== '');
    assert.equal(await page.locator('#found a').count(), 0);
    await page.keyboard.press('Escape');
    assert.equal(await opened(), null);

    await page.locator('#day').click();
    assert.equal(await opened(), 'days');
    const days = page.locator('#days .days a');
    assert.equal(await days.count(), 14);
    assert.equal(await page.locator('#days [aria-current="date"]').count(), 1);
    const today = await page.evaluate(() => document.body.dataset.day);
    await days.nth(2).click();
    await page.waitForURL(/day=/);
    const shown = () => page.evaluate(() => document.body.dataset.day);
    const before = (days) => new Date(Date.parse(today) - days * 86_400_000).toISOString().slice(0, 10);
    assert.equal(await shown(), before(2));
    await page.keyboard.press('[');
    await page.waitForURL((url) => url.searchParams.get('day') === before(3));
    await page.keyboard.press(']');
    await page.waitForURL((url) => url.searchParams.get('day') === before(2));
    await page.keyboard.press(']');
    await page.waitForURL((url) => url.searchParams.get('day') === before(1));
    await page.keyboard.press(']');
    await page.waitForURL((url) => !url.searchParams.has('day'));
    assert.equal(await shown(), today);
  }));

test('whatever can be touched is at least 44 px high', async () => {
  const small = [];
  for (const path of ['', '?view=rank&level=store', '?view=channels', `me?scope=staff:${given.staff}`, 'me', '?lang=en', '?view=rank&level=store&lang=en']) {
    await visit({ hasTouch: true }, async (page) => {
      await page.goto(address(path));
      await untilState(page, 'live');
      // The sheets too: whatever they hold is touched as well.
      const sheets = await page.evaluate(() => [...document.querySelectorAll('dialog')].map((sheet) => sheet.id));
      for (const sheet of [null, ...sheets]) {
        small.push(...await page.evaluate((sheet) => {
          if (sheet) document.getElementById(sheet).showModal();
          const within = sheet ? document.getElementById(sheet) : document.body;
          const all = [...within.querySelectorAll('a[href], button, summary, input')].filter((each) => each.checkVisibility() && each.getBoundingClientRect().height > 0);
          const found = [];
          for (const each of all) {
            each.scrollIntoView({ block: 'center', inline: 'center' });
            const box = each.getBoundingClientRect();
            const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
            // What lies over it does not make it smaller.
            const hits = (dy) => { const at = document.elementFromPoint(x, y + dy); return !at || each.contains(at) || at.closest('.tabs, .head, .pin'); };
            if (box.height < 44 && !(hits(-21.5) && hits(21.5))) found.push(`${each.outerHTML.slice(0, 90)}: ${box.height}`);
          }
          if (sheet) document.getElementById(sheet).close();
          return found;
        }, sheet));
      }
    });
  }
  assert.deepEqual(small, []);
});

test('9. at 360 px, and at 200 %, nothing scrolls sideways', async () => {
  const own = `me?scope=staff:${given.staff}`;
  const paths = ['', '?view=rank&level=store', '?view=channels', 'me', own, '?lang=en', '?view=rank&level=staff&lang=en', '?view=channels&lang=en', `${own}&lang=en`];
  for (const viewport of [{ width: 360, height: 740 }, { width: 320, height: 740 }, { width: 180, height: 370 }]) {
    await visit({ viewport, deviceScaleFactor: viewport.width === 180 ? 2 : 1 }, async (page) => {
      for (const path of paths) {
        await page.goto(address(path));
        const wide = await page.evaluate(() => {
          const width = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= width) return [];
          const over = [...document.querySelectorAll('body *')].filter((element) => element.getBoundingClientRect().right > width + 1);
          return over.slice(0, 6).map((element) => `${element.nodeName}.${element.className.baseVal ?? element.className} ${element.textContent.slice(0, 20)}`);
        });
        assert.deepEqual(wide, [], `${path} at ${viewport.width} px`);
      }
    });
  }
});

test('13. definitions open by key and by touch, close by Esc, and the focus returns', () =>
  visit({ hasTouch: true }, async (page) => {
    await page.goto(address());
    await untilState(page, 'live');
    const opened = () => page.evaluate(() => document.querySelector('dialog[open]')?.id ?? null);
    const focused = () => page.evaluate(() => document.activeElement?.dataset?.def ?? null);
    const openers = await page.evaluate(() => [...new Set([...document.querySelectorAll('[data-def]')].map((each) => each.dataset.def))]);
    assert.ok(openers.length >= 4, `definitions: ${openers}`);
    for (const name of openers) {
      const opener = page.locator(`[data-def="${name}"]`).first();
      await opener.focus();
      await page.keyboard.press('Enter');
      assert.equal(await opened(), `def-${name}`, 'by the key of a button');
      assert.equal(await page.evaluate(() => document.querySelector('dialog[open]').contains(document.activeElement)), true);
      await page.keyboard.press('Escape');
      assert.equal(await opened(), null);
      assert.equal(await focused(), name, 'the focus is where it was');
      await opener.tap();
      assert.equal(await opened(), `def-${name}`, 'by touch');
      await page.locator('dialog[open] .close').tap();
      assert.equal(await opened(), null);
    }
    await page.keyboard.press('?');
    assert.equal(await opened(), 'def-adds', 'by ?');
    assert.match(await page.locator('dialog[open]').innerText(), /\d\d:\d\d:\d\d/, 'it says how far it is complete');
    await page.keyboard.press('Escape');
    await page.keyboard.press('r');
    await page.waitForURL(/view=rank/);
    await page.keyboard.press('t');
    await page.waitForURL((url) => !url.search.includes('view=rank'));
  }));
