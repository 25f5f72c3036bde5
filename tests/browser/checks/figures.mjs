// What is shown agrees with itself and with what the board answers.

import assert from 'node:assert/strict';
import test from 'node:test';
import { address, api, given, number, untilState, visit } from '../stage.mjs';
import { deltas, dice, fed, snapshot } from '../feed.mjs';
import { sums } from '../sums.mjs';

const clockOf = (instant) => new Intl.DateTimeFormat('en-GB', { timeZone: given.zone, timeStyle: 'medium', hourCycle: 'h23' })
  .format(new Date(instant));

test('1. without JavaScript the page shows the adds and how far they are complete', () =>
  visit({ javaScriptEnabled: false }, async (page) => {
    await page.goto(address());
    const { data, freshness } = await api('summary');
    assert.equal(number(await page.locator('#adds').innerText()), data.adds);
    const complete = await page.locator('#complete').innerText();
    assert.match(complete, /^\d\d:\d\d:\d\d$/);
    const apart = Date.parse(`1970-01-01T${clockOf(freshness.complete_through)}Z`) - Date.parse(`1970-01-01T${complete}Z`);
    assert.ok(apart >= 0 && apart < 30_000, `${complete} on the page, ${freshness.complete_through} in the answer`);
    assert.ok(await page.locator('#rows > li').count() > 1, 'ranks');
    await page.goto(address('?view=rank'));
    assert.ok(await page.locator('#rows > li').count() > 1, 'the page of ranks');
  }));

test('3. a phone whose clock is an hour ahead shows the same', async () => {
  const shown = (init) => visit({ init }, async (page) => {
    await page.goto(address());
    await untilState(page, 'live');
    await page.waitForFunction(() => performance.now() > 4_000);
    const text = (id) => page.locator(id).innerText();
    const [adds, age, words, complete] = [await text('#adds'), await text('#age'), await text('#fresh-words'), await text('#complete')];
    // The clock that scripts cannot shift, when the page was looked at.
    const [shownThrough, trueTime] = await page.evaluate(() =>
      [document.getElementById('complete').textContent, performance.timeOrigin + performance.now()]);
    const apart = Date.parse(`1970-01-01T${clockOf(trueTime)}Z`) - Date.parse(`1970-01-01T${shownThrough}Z`);
    return { adds, words, late: number(age), behind: apart / 1_000, complete };
  });
  const ahead = {
    script: (shift) => {
      const Real = Date;
      globalThis.Date = class extends Real {
        constructor(...given) { super(...(given.length ? given : [Real.now() + shift])); }
        static now() { return Real.now() + shift; }
      };
    },
    value: 3_600_000,
  };
  const [right, wrong] = await Promise.all([shown(), shown(ahead)]);
  assert.deepEqual([wrong.adds, wrong.words], [right.adds, right.words]);
  for (const { late, behind, complete } of [right, wrong]) {
    assert.ok(late < 30, `${late} s behind`);
    assert.ok(behind >= -1 && behind < 30, `complete through ${complete}, ${behind} s ago`);
  }
});

/** The pages with what adds up there: how many such lists they have, and after how many deltas that is looked at. */
const ADDED_UP = [['level=store', 2, 1_000], ['view=rank&level=store', 1, 300], ['view=channels', 1, 300]];

for (const [query, lists, count] of ADDED_UP) test(`4. channels and children add up to the total shown, after each of ${count} deltas: ?${query}`, () =>
  // What tints would be painted sixty times a second, which a test of sums can do without.
  visit({ init: fed(true), reducedMotion: 'reduce' }, async (page) => {
    await page.addInitScript(`globalThis.sums = ${sums}`);
    await page.goto(address(`?${query}`));
    const picture = await snapshot(query);
    const steps = deltas(picture, count, dice(4));
    const wrong = await page.evaluate(async ([picture, steps, lists]) => {
      const painted = (revision) => new Promise((done, fail) => {
        const limit = setTimeout(() => fail(new Error(`${revision} is not painted, but ${document.body.dataset.painted}`)), 10_000);
        const look = () => {
          if (document.body.dataset.painted !== String(revision)) return;
          clearTimeout(limit);
          observer.disconnect();
          done();
        };
        const observer = new MutationObserver(look);
        observer.observe(document.body, { attributeFilter: ['data-painted'] });
        look();
      });
      feed('snapshot', picture);
      await painted(picture.revision);
      const wrong = [];
      for (const step of steps) {
        feed('delta', step);
        await painted(step.revision);
        const [total, ...parts] = sums();
        if (total !== step.figures.adds || parts.length !== lists || parts.some((part) => part !== total)) wrong.push([step.revision, total, parts]);
      }
      return wrong;
    }, [picture, steps, lists]);
    assert.deepEqual(wrong, []);
  }));

/** What a difference adds: 多 3 and +3 three, 少 3 and −3 as many less, 持平 and same nothing. */
const signed = (change) => (/多|\+/.test(change) ? 1 : /少|−/.test(change) ? -1 : 0) * Math.abs(number(change));

const painted = (page, revision) => page.waitForFunction((revision) => document.body.dataset.painted === String(revision), revision);

test('5. the base and the difference that are shown give the adds that are shown', async () => {
  for (const lang of ['zh', 'en']) {
    await visit({}, async (page) => {
      await page.goto(address('', { lang }));
      await untilState(page, 'live');
      const adds = number(await page.locator('#adds').innerText());
      const lines = await page.locator('[data-base]').all();
      assert.equal(lines.length, 2, 'yesterday and last week');
      for (const line of lines) {
        const part = async (name) => line.locator(`[data-b="${name}"]`).innerText();
        const change = await part('change');
        assert.equal(number(await part('base')) + signed(change), adds, `${await part('label')}: ${change}`);
      }
    });
    await visit({ init: fed(false) }, async (page) => {
      await page.goto(address('?level=store', { lang }));
      const picture = await snapshot('level=store');
      await page.evaluate((picture) => feed('snapshot', picture), picture);
      await painted(page, picture.revision);
      let compared = 0;
      for (const { id, baseline_adds: base } of picture.rows) {
        const row = page.locator(`#rows > li[data-id="${id}"]`);
        if (base == null || await row.count() === 0) continue;
        const value = number(await row.locator('[data-f="value"]').innerText());
        assert.equal(base + signed(await row.locator('[data-f="change"]').innerText()), value, `row ${id}`);
        compared += 1;
      }
      assert.ok(compared > 1, `${compared} rows are compared`);
    });
  }
});

test('what is done of the target and what is usual by now subtract as they are shown, whatever the stream brings', () =>
  visit({ init: fed(false) }, async (page) => {
    await page.goto(address('?level=store', { lang: 'en' }));
    const picture = await snapshot('level=store');
    await page.evaluate((picture) => feed('snapshot', picture), picture);
    const { figures: { target }, freshness } = picture;
    let { revision } = picture;
    const text = (selector) => page.locator(`#goal ${selector}`).innerText();
    for (let adds = 101; adds < 161; adds += 3) {
      revision += 1;
      const more = { ...target, usual_numerator: 80 + adds, usual_denominator: 2_000 };
      await page.evaluate((delta) => feed('delta', delta), { revision, freshness, figures: { adds, target: more } });
      await painted(page, revision);
      // In tenths of a point.
      const tenths = (text) => Math.round(Number(/[\d.]+/.exec(text)[0]) * 10);
      const pace = await text('[data-pace]');
      const apart = tenths(pace) * (/ahead/.test(pace) ? 1 : -1);
      assert.equal(tenths(await text('[data-done]')) - tenths(await text('[data-by-now]')), apart, `${adds} adds`);
    }
  }));

test('the foot and the definitions say the moment and the revision of what the stream brought last', () =>
  visit({ init: fed(false) }, async (page) => {
    await page.goto(address());
    const picture = await snapshot('');
    await page.evaluate((picture) => feed('snapshot', picture), picture);
    const revision = picture.revision + 1;
    const complete = new Date(Date.parse(picture.freshness.complete_through) + 1_000).toISOString();
    await page.evaluate((delta) => feed('delta', delta), { revision, freshness: { ...picture.freshness, complete_through: complete } });
    await painted(page, revision);
    const day = new Intl.DateTimeFormat('en-CA', { timeZone: given.zone }).format(new Date(complete));
    const moment = `${day} ${clockOf(complete)}`;
    assert.ok((await page.locator('#foot').innerText()).endsWith(`截至 ${moment}，修订号 ${revision}。`), await page.locator('#foot').innerText());
    const told = await page.locator('.as-of').allTextContents();
    assert.deepEqual(told, told.map(() => moment));
    assert.ok(told.length >= 4, `${told.length} definitions`);
  }));
