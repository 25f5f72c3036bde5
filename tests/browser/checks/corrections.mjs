// What became of the events that came late: by now corrections were read again.

import assert from 'node:assert/strict';
import test from 'node:test';
import { address, api, until, visit } from '../stage.mjs';
import { barOf, correctionOf, late } from './late.mjs';

test('6. a late event raises its own bar, hatched, and adds a correction; that of yesterday too', async () => {
  for (const [n, day] of late.days.entries()) {
    const raised = { adds: late.bars[n].adds + 1, late: late.bars[n].late + 1, hatched: true };
    let found = null;
    await until('the raised bar', async () => {
      found = await barOf(day);
      return found.late > late.bars[n].late;
    });
    assert.deepEqual(found, raised, day.day);
  }
  const { before, after } = await until('the correction of yesterday', async () => {
    const found = await correctionOf();
    return found.after > late.correction.after && found;
  });
  assert.equal(after - before, late.correction.after - late.correction.before + 1);
  await visit({}, async (page) => {
    await page.goto(address());
    const lines = await page.locator('#corrections li').allInnerTexts();
    const shown = Number(/\+([\d,]+)$/.exec(lines[0].trim())[1].replace(',', ''));
    const { data: { late_adds: answered } } = await api('summary');
    assert.ok(shown > late.adds && shown <= answered, `late today: ${late.adds} before, ${shown} shown, ${answered} answered`);
    assert.ok(lines.some((line) => line.includes(`${after - before} 条迟到`)), lines.join('; '));
  });
});
