import assert from 'node:assert/strict';
import test from 'node:test';

import { canGrow, clock, IKernel, more, NOTHING, reattached, shown, words } from './telling.js';

const MIB = 1 << 20;
const kernel: IKernel = {
  name: 'Science',
  state: 'ready',
  seconds: 0,
  reason: '',
  message: '',
  died: '',
  memory: { usage: 212 * MIB, limit: 300 * MIB }
};

test('a kernel that starts', () => {
  const pending: IKernel = { ...kernel, state: 'pending', reason: 'ImagePulling', message: 'The image', seconds: 31.9 };
  const found = shown(pending);
  assert.equal(found.text, 'Science: image pulling 0:31');
  assert.equal(found.title, 'The image');
  assert.deepEqual(found.actions, ['cancel']);
  assert.equal(shown({ ...pending, reason: '' }).text, 'Science: starting 0:31');
});

test('memory is amber from 80 % on', () => {
  assert.deepEqual([shown(kernel).text, shown(kernel).level], ['212 / 300 MiB', 'ok']);
  const levels = [239, 240, 300].map(usage => shown({ ...kernel, memory: { usage: usage * MIB, limit: 300 * MIB } }).level);
  assert.deepEqual(levels, ['ok', 'warn', 'warn']);
});

test('memory without a limit, and memory that nobody knows', () => {
  assert.equal(shown({ ...kernel, memory: { usage: 5 * MIB, limit: null } }).text, '5 MiB');
  assert.deepEqual(shown({ ...kernel, memory: null }), NOTHING);
});

test('a kernel that is dead says the cause, and what helps', () => {
  const dead: IKernel = { ...kernel, state: 'dead', died: 'It used more memory (OOMKilled).\nTry: more' };
  const found = shown(dead);
  assert.equal(found.text, 'Science: It used more memory (OOMKilled).');
  assert.equal(found.title, dead.died);
  assert.deepEqual(found.actions, ['restart', 'grow']);
  assert.deepEqual(shown({ ...dead, memory: null }).actions, ['restart']);
});

test('how much more is offered', () => {
  assert.equal(more(kernel), '600Mi');
  assert.equal(canGrow({ ...kernel, memory: null }), false);
});

test('words and times', () => {
  assert.equal(words('OOMKilled'), 'oomkilled');
  assert.equal(words('WaitingForKey'), 'waiting for key');
  assert.deepEqual([0, 59.9, 61, -1].map(clock), ['0:00', '0:59', '1:01', '0:00']);
});

test('a server that was started anew', () => {
  assert.equal(reattached(null, 'a', 3), '');
  assert.equal(reattached('a', 'a', 3), '');
  assert.equal(reattached('a', 'b', 0), '');
  assert.equal(reattached('a', 'b', 1), '1 kernel re-attached');
  assert.equal(reattached('a', 'b', 3), '3 kernels re-attached');
});
