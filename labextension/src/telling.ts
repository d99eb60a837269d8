// What the status bar shows of a kernel, and what can be done about it. Decisions only: no page, no server.

/** What the server extension answers at `kubernel/kernels/ID`. */
export interface IKernel {
  /** Name that people see. */
  name: string;
  state: 'pending' | 'ready' | 'dead';
  /** Since the start began. */
  seconds: number;
  /** Why it waits. */
  reason: string;
  message: string;
  /** Why it did not start, or died last; a few lines, or empty. */
  died: string;
  /** Of its container, in bytes; limit is null without one. */
  memory: { usage: number; limit: number | null } | null;
}

export type Action = 'cancel' | 'restart' | 'grow';

export interface IShown {
  text: string;
  /** More of it, for the mouse. */
  title: string;
  level: 'none' | 'ok' | 'warn' | 'dead';
  actions: Action[];
}

/** From this share of its limit on a kernel's memory is amber. */
export const WARN_SHARE = 0.8;

const MIB = 1 << 20;

export const NOTHING: IShown = { text: '', title: '', level: 'none', actions: [] };

export function shown(kernel: IKernel): IShown {
  if (kernel.state === 'pending') {
    const why = words(kernel.reason) || 'starting';
    const text = `${kernel.name}: ${why} ${clock(kernel.seconds)}`;
    return { text, title: kernel.message, level: 'ok', actions: ['cancel'] };
  }
  if (kernel.state === 'dead') {
    const text = `${kernel.name}: ${kernel.died.split('\n')[0] || 'dead'}`;
    const actions: Action[] = canGrow(kernel) ? ['restart', 'grow'] : ['restart'];
    return { text, title: kernel.died, level: 'dead', actions };
  }
  if (kernel.memory === null) {
    return NOTHING;
  }
  const { usage, limit } = kernel.memory;
  if (limit === null) {
    return { text: `${mib(usage)} MiB`, title: 'Memory of the kernel', level: 'ok', actions: ['restart'] };
  }
  const level = usage >= WARN_SHARE * limit ? 'warn' : 'ok';
  const text = `${mib(usage)} / ${mib(limit)} MiB`;
  return { text, title: 'Memory of the kernel, and its limit', level, actions: ['restart', 'grow'] };
}

/** The amount that is offered: twice the limit, as Kubernetes writes it. */
export function more(kernel: IKernel): string {
  const limit = kernel.memory?.limit ?? 0;
  return limit ? `${mib(2 * limit)}Mi` : '';
}

export function canGrow(kernel: IKernel): boolean {
  return more(kernel) !== '';
}

/** `ImagePulling` as `image pulling`. */
export function words(reason: string): string {
  return reason.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
}

/** Seconds as m:ss. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

function mib(bytes: number): number {
  return Math.round(bytes / MIB);
}

/** What is said when a page meets a server that has just been started; empty when there is nothing to say. */
export function reattached(before: string | null, now: string, kernels: number): string {
  if (before === null || before === now || kernels === 0) {
    return '';
  }
  return kernels === 1 ? '1 kernel re-attached' : `${kernels} kernels re-attached`;
}
