// The browser, the boards, and what makes their states.
// Invariant: one browser for all; every page goes through a relay, and is closed by the test that opened it.

import { createRequire } from 'node:module';
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { Relay } from './relay.mjs';

/** What the test that starts this has prepared: addresses, links, the corp. */
export const given = JSON.parse(process.env.YINLIU_BROWSER);
export const axeSource = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
mkdirSync(given.pictures, { recursive: true });

const browser = await chromium.launch({ executablePath: given.chromium, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
export const open = await Relay.start(given.open);
export const guarded = await Relay.start(given.guarded);
export const stopped = await Relay.start(given.stopped);

export async function stop() {
  await browser.close();
  open.stop();
  guarded.stop();
  stopped.stop();
}

/** By when whatever a check waits for has come, on a busy machine too. */
export const SOON_MS = 120_000;

/** What the specification allows. Among other tests four times that: what else runs only ever adds to a time. */
export const allowed = (ms) => ms * (given.alone ? 1 : 4);

export const PHONE = { width: 390, height: 844 };
export const WALL = { width: 1920, height: 1080 };

/** A browser of its own with one page; both are closed after `use`. */
export async function visit(options, use) {
  const { init, ...context } = options;
  const own = await browser.newContext({ viewport: PHONE, ...context });
  own.setDefaultTimeout(SOON_MS);
  try {
    const page = await own.newPage();
    page.failures = [];
    page.on('pageerror', (error) => page.failures.push(String(error)));
    page.on('console', (message) => {
      // What a cut connection says is no failure of the page.
      if (message.type() === 'error' && !/net::ERR|Failed to load resource/.test(message.text())) page.failures.push(message.text());
    });
    if (init) await page.addInitScript(init.script, init.value);
    return await use(page);
  } finally {
    await own.close();
  }
}

/** A page of the open board in a language and theme. */
export const address = (path = '', { lang = 'zh', theme = 'light', ...more } = {}) => {
  const [name, query] = path.split('?');
  const all = new URLSearchParams({ corp: given.corp, lang, theme, ...Object.fromEntries(new URLSearchParams(query)), ...more });
  return `${open.url}/${name}?${all}`;
};

export const until = async (what, ask) => {
  const began = performance.now();
  for (;;) {
    const found = await ask();
    if (found) return found;
    if (performance.now() - began > SOON_MS) throw new Error(`not within ${SOON_MS} ms: ${what}`);
    await new Promise((then) => setTimeout(then, 50));
  }
};

export const stateOf = (page) => page.evaluate(() => document.documentElement.dataset.state);
/** Where the specification names a time, a check measures it by the page's own clock. */
export const untilState = (page, state) =>
  until(`state ${state}`, async () => (await stateOf(page)) === state);

/** The JSON of a board; while it has no figures it says when to ask again, as to everybody. */
export const apiOf = (board, part, query = '') => until(part, async () => {
  const answer = await fetch(`${board}/api/v1/${part}?corp=${given.corp}&${query}`);
  if (answer.status === 503) return null;
  if (!answer.ok) throw new Error(`${part}: ${answer.status}`);
  return answer.json();
});

export const api = (part, query) => apiOf(given.open, part, query);

/** Asks the test that started this to do something beyond the browser. */
export async function tell(order) {
  const answer = await fetch(given.control, { method: 'POST', body: order });
  if (!answer.ok) throw new Error(`${order}: ${answer.status}`);
  return answer.text();
}

export async function sql(statement) {
  const answer = await fetch(`${given.clickhouse}/?database=${given.database}`, { method: 'POST', body: statement });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${statement}: ${text}`);
  return text;
}

// Far from those of the topic, and others in each run: what is complete through an instant never goes back.
let partition = Math.floor(performance.timeOrigin / 1_000);
/** A partition that is complete through so many seconds ago and stands still there, until it is freed. */
export async function standStill(seconds) {
  const own = ++partition;
  const row = (at) => sql(`INSERT INTO progress (src_topic, src_partition, complete_through) VALUES ('${given.topic}', ${own}, ${at})`);
  await row(`subtractSeconds(now64(3), ${seconds})`);
  return () => row('addYears(now64(3), 10)');
}

/** Keeps a partition so many seconds behind, to within the 5 s between two rows, until it is freed. */
export async function lagBehind(seconds) {
  const own = ++partition;
  const row = (at) => sql(`INSERT INTO progress (src_topic, src_partition, complete_through) VALUES ('${given.topic}', ${own}, ${at})`);
  const behind = () => row(`subtractSeconds(now64(3), ${seconds})`);
  await behind();
  let last = Promise.resolve();
  const pace = setInterval(() => { last = last.then(behind); }, 5_000);
  return async () => {
    clearInterval(pace);
    await last;
    await row('addYears(now64(3), 10)');
  };
}

// A code with an add every five minutes until three hours ago: one that fell silent. Its adds are of the facts alone.
const HOURS_SILENT = 3;
await sql(`INSERT INTO facts (corp_id, business_date, type, staff_id, store_id, region_id, src_topic, src_offset, event_id, occurred_at,
  recorded_at, channel, state) SELECT '${given.corp}', toDate(at, '${given.zone}'), 'friend.added', 'silent', '${given.own.id}', '', 'codes', number,
  toString(number), subtractMinutes(subtractHours(now64(3), ${HOURS_SILENT}), number * 5) AS at, at, 'badge', 'code-silent' FROM numbers(12)`);

export const number = (text) => Number(text.replace(/[^\d−-]/g, '').replace('−', '-'));
