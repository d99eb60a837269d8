import assert from 'node:assert/strict';
import test from 'node:test';

import {
  clock,
  hasAlready,
  IKernel,
  IKernelEvent,
  label,
  losesVariables,
  more,
  NOTHING,
  obituary,
  reattached,
  remedy,
  shown,
  specOfLogo,
  takesBack,
  tooltip,
  words
} from './telling.js';

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
  assert.deepEqual(shown(kernel).actions, ['grow', 'pause', 'restart']);
  const levels = [239, 240, 300].map(usage => shown({ ...kernel, memory: { usage: usage * MIB, limit: 300 * MIB } }).level);
  assert.deepEqual(levels, ['ok', 'warn', 'warn']);
});

test('memory without a limit, and memory that nobody knows', () => {
  const unlimited = shown({ ...kernel, memory: { usage: 5 * MIB, limit: null } });
  assert.equal(unlimited.text, '5 MiB');
  assert.deepEqual(unlimited.actions, ['pause', 'restart']);
  assert.deepEqual(shown({ ...kernel, memory: null }), { ...NOTHING, said: 'Science: ready' });
  assert.deepEqual(shown({ ...kernel, memory: { usage: null, limit: 300 * MIB } }).actions, ['grow']);
});

test('a kernel that stands still', () => {
  const paused = shown({ ...kernel, state: 'suspended', reason: 'Paused', message: 'The kernel is paused.' });
  assert.equal(paused.text, 'Science: paused, 212 / 300 MiB');
  assert.deepEqual([paused.level, paused.title], ['warn', 'The kernel is paused.']);
  assert.deepEqual(paused.actions, ['resume', 'restart']);
  const short = shown({ ...kernel, state: 'suspended', reason: 'MemoryLimit', memory: { usage: null, limit: 300 * MIB } });
  assert.equal(short.text, 'Science: needs more memory');
  assert.deepEqual(short.actions, ['grow', 'interrupt', 'restart']);
});

test('a kernel that did not start says the cause, and what helps', () => {
  const dead: IKernel = { ...kernel, state: 'dead', died: 'The image is\nrefused (ImageRefused).\nTry: another' };
  const found = shown(dead);
  assert.equal(found.text, 'Science: The image is refused (ImageRefused).');
  assert.equal(found.title, dead.died);
  assert.deepEqual(found.actions, ['restart']);
});

test('what is said aloud changes with the news only', () => {
  const pending: IKernel = { ...kernel, state: 'pending', reason: 'ImagePulling', seconds: 3 };
  assert.deepEqual([3, 4].map(seconds => shown({ ...pending, seconds }).said), Array(2).fill('Science: image pulling'));
  const used = [212, 213, 250].map(usage => shown({ ...kernel, memory: { usage: usage * MIB, limit: 300 * MIB } }).said);
  assert.deepEqual(used, ['Science: ready', 'Science: ready', 'Science: memory is scarce']);
  assert.equal(shown({ ...kernel, state: 'suspended', reason: 'Paused' }).said, 'Science: paused');
  assert.equal(shown({ ...kernel, state: 'dead', died: 'No room.' }).said, 'Science: No room.');
  assert.equal(NOTHING.said, '');
});

test('how much more is offered', () => {
  assert.equal(more(kernel), '600Mi');
  assert.equal(more({ ...kernel, memory: { usage: null, limit: 300 * MIB } }), '600Mi');
  assert.equal(more({ ...kernel, memory: null }), '');
  assert.equal(label('grow', kernel), 'Give It 600Mi of Memory');
});

const OOM: IKernelEvent = {
  kernel_id: 'k',
  kernel_name: 'science',
  phase: 'died',
  message: 'The kernel used more memory than its limit of 300Mi and was\nkilled (OOMKilled).\nWork on less.\nTry: kubernel install'
};

test('a death is told by its cause, whole, whichever way its lines were broken', () => {
  const said = obituary(OOM, 'training.ipynb');
  assert.equal(
    said?.text,
    'training.ipynb: The kernel used more memory than its limit of 300Mi and was killed (OOMKilled).'
  );
  assert.equal(said?.body, OOM.message);
  assert.equal(said?.title, 'Why the kernel died');
  assert.equal(obituary({ ...OOM, phase: 'failed' }, 'a')?.title, 'Why the kernel did not start');
  assert.equal(obituary({ ...OOM, message: 'It is gone.\nTry: x' }, 'a')?.text, 'a: It is gone.');
  assert.equal(obituary({ ...OOM, message: undefined }, 'a')?.text, 'a: ');
});

test('other news are no deaths', () => {
  for (const phase of ['waiting', 'ready', 'resized', 'reattached'] as const) {
    assert.equal(obituary({ ...OOM, phase }, 'a'), null);
  }
});

test('what helps', () => {
  assert.equal(remedy(OOM, kernel), 'grow');
  assert.equal(remedy(OOM, { ...kernel, memory: null }), null);
  assert.equal(remedy({ ...OOM, message: 'exit code 3 (KernelCrashed).' }, kernel), null);
  assert.equal(remedy({ ...OOM, phase: 'failed' }, kernel), 'restart');
  assert.equal(remedy(OOM, null), 'startNew');
  assert.equal(remedy({ ...OOM, over: true }, kernel), 'startNew'); // the server forgets it a moment later
});

test('an offer that is hours old does no harm', () => {
  for (const state of ['ready', 'suspended'] as const) {
    assert.ok(losesVariables('idle', { ...kernel, state }));
  }
  for (const state of ['dead', 'pending'] as const) {
    assert.ok(!losesVariables('unknown', { ...kernel, state }));
  }
  assert.ok(losesVariables('busy', null)); // another provisioner's
  assert.ok(!losesVariables('dead', null));
  const grown = (limit: number) => ({ ...kernel, memory: { usage: 1, limit } });
  assert.equal(hasAlready(grown(300 * MIB), grown(700 * MIB)), '700Mi');
  assert.equal(hasAlready(grown(300 * MIB), grown(300 * MIB)), '');
  assert.equal(hasAlready(grown(300 * MIB), null), '');
  assert.equal(hasAlready({ ...kernel, memory: null }, grown(600 * MIB)), '');
});

test('what is no longer true is taken back', () => {
  const failed: IKernelEvent = { ...OOM, phase: 'failed' };
  const ready: IKernelEvent = { ...OOM, phase: 'ready' };
  assert.ok(takesBack(failed, failed)); // the second try says it anew
  assert.ok(takesBack(failed, ready));
  assert.ok(takesBack(OOM, OOM));
  assert.ok(!takesBack(OOM, ready)); // why the variables are gone
  assert.ok(!takesBack(failed, { ...OOM, phase: 'waiting' }));
});

function spec(config: object, name = 'kubernel') {
  return { display_name: 'Science', metadata: { kernel_provisioner: { provisioner_name: name, config } } };
}

test('a tile of the launcher', () => {
  const config = { image: 'i:1', memory: '2Gi', cpu: '1', gpu: 2, template_name: 'gpu', namespace: 'kernels' };
  assert.equal(
    tooltip(spec(config)),
    'Science, on Kubernetes\nImage: i:1\nMemory: 2Gi\nCPU: 1\nGPU: 2\nTemplate: gpu\nNamespace: kernels'
  );
  assert.match(tooltip(spec({ memory: '2Gi', memory_max: '16Gi' })), /Memory: 2Gi, grows up to 16Gi/);
  assert.match(tooltip(spec({})), /Image: the operator's default/);
  assert.match(tooltip(spec({ template_name: 'gpu' })), /Image: the template's/);
});

test('tiles of other kernels stay as they are', () => {
  assert.equal(tooltip(spec({}, 'local-provisioner')), '');
  assert.equal(tooltip({ display_name: 'Python 3' }), '');
});

test('whose logo it is', () => {
  assert.equal(specOfLogo('http://h/user/ann/kernelspecs/my%20gpu/logo-svg.svg'), 'my gpu');
  assert.equal(specOfLogo('http://h/static/logo.svg'), '');
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
