// A pipeline that is really stopped, as a machine that hangs: what its board's page and API say, and how they come back.
// Two minutes pass until figures are stale, so the other checks go on meanwhile.

import assert from 'node:assert/strict';
import { address, api, apiOf, given, number, open, stateOf, stopped, tell, until, visit } from '../stage.mjs';

/** What the specification calls them: more than so many seconds behind. */
const [BEHIND, STALE] = [30, 120];

const textOf = (page, selector) => page.locator(selector).first().innerText();
const arrives = (page, state) =>
  page.waitForFunction((state) => document.documentElement.dataset.state === state, state, { polling: 500 });
const answers = (state) => until(`the API is ${state}`, async () => {
  const answer = await apiOf(given.stopped, 'leaderboard', 'level=store');
  return answer.freshness.state === state && answer;
});

const whole = visit({}, async (page) => {
  await page.goto(address('', { lang: 'en' }).replace(open.url, stopped.url));
  await arrives(page, 'live');
  await page.evaluate(() => { globalThis.mark = 'the same page'; });
  assert.equal((await answers('live')).data.held, false);
  await tell('pipeline freeze');

  await arrives(page, 'behind');
  const counted = await textOf(page, '#adds');
  assert.ok(number(await textOf(page, '#age')) > BEHIND);
  assert.notEqual(await textOf(page, '[data-b="change"]'), '', 'nothing is withdrawn');
  const behind = await answers('behind');
  assert.equal(behind.data.held, false);
  assert.ok(behind.freshness.lag_seconds > BEHIND && behind.freshness.lag_seconds <= STALE, `${behind.freshness.lag_seconds} s`);

  await arrives(page, 'stale');
  assert.match(await textOf(page, '.fresh'), /2 min/);
  assert.equal(await textOf(page, '#adds'), counted, 'the figure stays');
  assert.equal(await page.locator('[data-b="change"]').first().isVisible(), false, 'comparisons go');
  const stale = await answers('stale');
  assert.equal(stale.data.held, true);
  assert.ok(stale.freshness.lag_seconds > STALE, `${stale.freshness.lag_seconds} s`);
  assert.equal(stale.freshness.complete_through, behind.freshness.complete_through);

  await tell('pipeline thaw');
  await arrives(page, 'live');
  assert.equal((await answers('live')).data.held, false);
  // What came meanwhile is counted too: the other checks bring adds now and then.
  await until('the adds of the other pipeline', async () => {
    const { data } = await api('summary');
    return number(await textOf(page, '#adds')) === data.adds;
  });
  assert.equal(await stateOf(page), 'live');
  assert.equal(await page.evaluate(() => globalThis.mark), 'the same page');
  assert.deepEqual(page.failures, []);
}).then(() => null, (error) => error);

/** Fails where any of it did not hold. */
export async function recovered() {
  const error = await whole;
  if (error) throw error;
}
