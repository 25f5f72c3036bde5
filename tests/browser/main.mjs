// The checks of the board's specification, section 7, in a real browser: one after the other, on one board.
// Started by tests/browser.rs, which prepares the boards and says where they are.

import test, { after } from 'node:test';
import { stop } from './stage.mjs';

import './checks/late.mjs';
import { recovered } from './checks/stopped.mjs';
import './checks/figures.mjs';
import './checks/states.mjs';
import './checks/hands.mjs';
import './checks/looks.mjs';
import './checks/streams.mjs';
import './checks/budget.mjs';
import './checks/access.mjs';
import './checks/corrections.mjs';

// What took as long as it takes went on beside all of these.
test('a page of a pipeline that was stopped said how old its figures were, and came back with it', recovered);
after(stop);
