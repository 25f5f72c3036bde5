// What leaves the board, and what does not.

import assert from 'node:assert/strict';
import test from 'node:test';
import { address, given, guarded, open, sql, stopped, until, untilState, visit } from '../stage.mjs';

test('11. provisional figures carry their seal, on the page, in the report and in the table', () =>
  visit({}, async (page) => {
    for (const [lang, seal, word, words] of [['zh', '暂', '（暂定）', '暂定'], ['en', 'prov.', '(provisional)', 'provisional']]) {
      await page.goto(address('', { lang }));
      await untilState(page, 'live');
      // What becomes of the adds is read a moment after the first viewer came.
      await until('the figures that may change', async () => {
        if (await page.evaluate(() => ['qualified_adds', 'opened'].every((name) => /\d/.test(document.querySelector(`main [data-n="${name}"]`).textContent)))) return true;
        await page.reload();
        return false;
      });
      // Figures by the day of the add are final a day later, wherever they stand.
      const bare = await page.evaluate((seal) => {
        const cells = [...document.querySelectorAll('[data-n="qualified_adds"], [data-n="opened"]')];
        const place = (cell) => cell.closest('li, .trio > *, tr, .eq > *, dialog, section');
        return cells.filter((cell) => /\d/.test(cell.textContent) && !place(cell).textContent.includes(seal)).map((cell) => place(cell).textContent);
      }, seal);
      assert.deepEqual(bare, []);
      const report = await page.locator('#report').textContent();
      const line = report.split('\n').find((each) => /有效|Qualified/.test(each));
      assert.ok(line && /\d/.test(line) && line.includes(word), report);
      const table = await (await fetch(`${given.open}/api/v1/leaderboard?corp=${given.corp}&lang=${lang}&format=csv`)).text();
      const [head, ...rows] = table.trim().split('\n').map((row) => row.trim().split(','));
      const [value, certainty] = ['qualified_adds', 'qualified_adds_seal'].map((name) => head.indexOf(name));
      const told = rows.filter((row) => row[value] !== '');
      assert.ok(told.length > 0 && told.every((row) => row[certainty] === words), `${head}: ${told[0]}`);
    }
  }));

test('12. the address of another store is denied, and its name is nowhere in the answer', () =>
  visit({}, async (page) => {
    await page.goto(given.links.store.replace(given.guarded, guarded.url));
    assert.ok(!page.url().includes('token'), 'the token left the address');
    const own = await page.content();
    assert.ok(own.includes(given.own.name), 'the own store is shown');
    for (const path of ['', 'me', 'wall', 'api/v1/summary', 'api/v1/leaderboard', 'api/v1/channels', 'api/v1/stream']) {
      const answer = await page.request.get(`${guarded.url}/${path}?scope=store:${given.other.id}`);
      assert.equal(answer.status(), 403, path);
      assert.ok(!(await answer.text()).includes(given.other.name), path);
    }
    await page.goto(`${guarded.url}/?scope=store:${given.other.id}`);
    const text = await page.locator('body').innerText();
    assert.ok(text.includes(given.own.name) && !text.includes(given.other.name), text);
    await page.locator('a').first().click();
    await page.waitForFunction(() => document.documentElement.dataset.page === 'today');
  }));

test('16. no response of all these tests holds the id of a customer', async () => {
  const rows = await sql(`SELECT DISTINCT customer_id FROM events WHERE customer_id != '' FORMAT TSV`);
  const customers = rows.trim().split('\n');
  assert.ok(customers.length > 500, `${customers.length} customers`);
  const answers = [...open.answers, ...guarded.answers, ...stopped.answers];
  assert.ok(answers.length > 200, `${answers.length} answers`);
  const known = new Set(customers);
  for (const { path, text } of answers) {
    for (const word of text.split(/[^\w-]+/)) assert.ok(!known.has(word), `${path} tells ${word}`);
  }
});
