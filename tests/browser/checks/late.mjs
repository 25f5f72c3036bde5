// Events that come late, of today and of yesterday: told before all other checks, for corrections are read once a minute.

import test from 'node:test';
import { address, api, given, tell, until, visit } from '../stage.mjs';

const STEP_MS = 600_000;
const DAY_MS = 86_400_000;
const HOURS_LATE = 2;

/** What stood before the late events came, and when they had happened. */
export const late = {};

/** The bar of the step in which an event happened: all of it, the late part, and whether that is hatched there. */
export const barOf = ({ day, occurred }) => visit({}, async (page) => {
  await until('the trend', async () => {
    await page.goto(address('', { day }));
    return page.evaluate(() => Boolean(document.querySelector('#trend .plot')));
  });
  const time = new Intl.DateTimeFormat('en-GB', { timeZone: given.zone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(new Date(occurred));
  const [hour, minute] = time.split(':').map(Number);
  return page.evaluate((step) => {
    const { adds, late } = document.querySelector('#trend .plot').dataset;
    const left = (step * 100) / 144;
    const hatched = [...document.querySelectorAll('#trend .late-bar')].some((bar) => Math.abs(parseFloat(bar.getAttribute('x')) - left) < 0.1);
    return { adds: Number(adds.split(',')[step]), late: Number(late.split(',')[step]), hatched };
  }, (hour * 60 + minute) / 10);
});

/** What came late of yesterday, as a correction. */
export const correctionOf = async () => {
  const { data } = await api('corrections');
  return data.find((item) => item.business_date === late.yesterday && item.reason === 'late' && item.metric === 'adds') ?? { before: 0, after: 0 };
};

test('two events come late, and are counted', async () => {
  const { business_date: today } = await api('summary');
  late.yesterday = new Date(Date.parse(today) - DAY_MS).toISOString().slice(0, 10);
  const at = Math.floor(Date.now() / STEP_MS) * STEP_MS - HOURS_LATE * 3_600_000;
  late.days = [{ day: '', occurred: at }, { day: late.yesterday, occurred: at - DAY_MS }];
  late.bars = await Promise.all(late.days.map(barOf));
  late.correction = await correctionOf();
  const { data: { adds, late_adds: lateBefore } } = await api('summary');
  late.adds = lateBefore;
  for (const { occurred } of late.days) await tell(`late ${new Date(occurred).toISOString()}`);
  // What other checks compare must not change while they do.
  await until('the late event of today', async () => (await api('summary')).data.adds > adds);
});
