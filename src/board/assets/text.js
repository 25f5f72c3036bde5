// Words, numbers and times, as the server writes them.

const { words, zone } = document.body.dataset;
export const say = JSON.parse(words);
const page = document.documentElement;
const english = page.lang === 'en';
const PERCENT_BASE = 100; // A percentage of less says more than is known.

const grouped = new Intl.NumberFormat('en-US');
export const number = (value) => (value < 0 ? '−' : '') + grouped.format(Math.abs(value));
export const tenths = (numerator, denominator) => {
  const text = (Math.floor((Math.abs(numerator) * 20 + denominator) / (denominator * 2)) / 10).toFixed(1);
  const [whole, part] = text.split('.');
  return (numerator < 0 && text !== '0.0' ? '−' : '') + grouped.format(whole) + '.' + part;
};
export const fill = (text, ...values) => text.replace(/\{\}/g, () => values.shift());
export const change = (now, before) => {
  if (before == null) return ['', ''];
  if (now === before) return ['', say.level];
  return now > before ? ['up', fill(say.more, number(now - before))] : ['down', fill(say.fewer, number(before - now))];
};
/** In percent where the base carries one, else how many more or fewer. */
export const against = (now, before) => {
  const [direction, text] = change(now, before);
  return [direction, (before != null && percent(now, before)) || text];
};
export const percent = (now, before) =>
  before < PERCENT_BASE ? '' : (now < before ? '−' : '+') + tenths(Math.abs(now - before) * 100, before) + '%';
/** Rounded as it is shown, so that two of them subtract as shown. */
export const thousandths = (part, whole) => Math.sign(part) * Math.floor((Math.abs(part) * 2000 + whole) / (whole * 2));
/** How much of a target is reached, however small it is. */
export const progress = (part, target) => (target > 0 ? tenths(thousandths(part, target), 10) + '%' : '');
/** Below that base counts say what is known. */
export const share = (part, whole) => (whole < PERCENT_BASE ? '' : progress(part, whole));
export const length = (part, whole) =>
  (whole > 0 ? Math.min(10000, Math.floor((Math.max(0, part) * 10000) / whole)) / 100 : 0) + '%';
export const about = (value) => {
  const size = Math.abs(value);
  if (size < 1e4) return number(value);
  const [unit, decimals, sign] = english
    ? (size < 1e6 ? [1e3, 1, 'k'] : [1e6, 2, 'M'])
    : [1e4, size < 1e6 ? 2 : 1, ' 万'];
  const scale = 10 ** decimals;
  const [whole, part] = (Math.floor((size * scale + unit / 2) / unit) / scale).toFixed(decimals).split('.');
  return (value < 0 ? '−' : '') + grouped.format(whole) + '.' + part + sign;
};

const formats = new Map();
const make = (options) => new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...options });
const format = (options) => {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, make(options));
  return formats.get(key);
};
// A zone that this browser does not know: no time is written, so that the server's own stay.
let knows = true;
try { make(); } catch { knows = false; }
/** The time of day in the zone of the corp; null where that is not known. */
export const clock = (instant, seconds = true) => knows &&
  format({ hour: '2-digit', minute: '2-digit', ...(seconds && { second: '2-digit' }) }).format(new Date(instant)) || null;
export const dayOf = (instant) => {
  const parts = Object.fromEntries(format({ year: 'numeric', month: '2-digit', day: '2-digit' })
    .formatToParts(new Date(instant)).map(({ type, value }) => [type, value]));
  return `${parts.year}-${parts.month}-${parts.day}`;
};
/** A moment with its date; null where the zone is not known. */
export const dated = (instant) => knows && `${dayOf(instant)} ${clock(instant)}` || null;
/** A time of the day that is shown, or with its own date. */
export const moment = (instant) =>
  knows && dayOf(instant) !== document.body.dataset.day ? dated(instant) : clock(instant);
