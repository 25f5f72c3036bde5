// What fingers, keys and small screens meet.

import assert from 'node:assert/strict';
import test from 'node:test';
import { address, untilState, until, visit } from '../stage.mjs';
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

test('9. at 360 px, and at 200 %, nothing scrolls sideways', async () => {
  const paths = ['', '?view=rank&level=store', '?view=channels', 'me', '?lang=en', '?view=rank&level=staff&lang=en', '?view=channels&lang=en'];
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
