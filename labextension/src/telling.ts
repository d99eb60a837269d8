// What pages show of a kernel, and what can be done about it. Decisions only: no page, no server.

/** What the server extension answers at `kubernel/kernels/ID`. */
export interface IKernel {
  /** Name that people see. */
  name: string;
  /** suspended: it runs, and stands still. dead: it did not start. */
  state: 'pending' | 'ready' | 'suspended' | 'dead';
  /** Since the start began. */
  seconds: number;
  /** Why it waits, or stands still. */
  reason: string;
  message: string;
  /** Why it did not start, or died last; a few lines, or empty. */
  died: string;
  /** Of its container, in bytes; limit is null without one, usage when nobody knows it now. */
  memory: { usage: number | null; limit: number | null } | null;
}

/** What the server tells of a kernel at `api/events/subscribe`; see events.yaml of the server extension. */
export interface IKernelEvent {
  kernel_id: string;
  kernel_name: string;
  phase: 'waiting' | 'ready' | 'failed' | 'died' | 'resized' | 'reattached';
  message?: string;
  /** Of one that died: it does not come back by itself. */
  over?: boolean;
}

export type Action = 'cancel' | 'restart' | 'grow' | 'pause' | 'resume' | 'interrupt' | 'startNew';
/** Those that are offered for a kernel, in the order of a menu. */
export const ACTIONS: Action[] = ['cancel', 'grow', 'interrupt', 'pause', 'resume', 'restart'];

export interface IShown {
  text: string;
  /** More of it, for the mouse. */
  title: string;
  /** For ears: it changes only when there is news. */
  said: string;
  level: 'none' | 'ok' | 'warn' | 'dead';
  actions: Action[];
}

/** From this share of its limit on a kernel's memory is amber. */
export const WARN_SHARE = 0.8;

const MIB = 1 << 20;
const PAUSED = 'Paused';
const OUT_OF_MEMORY = 'OOMKilled';

export const NOTHING: IShown = { text: '', title: '', said: '', level: 'none', actions: [] };

export function shown(kernel: IKernel): IShown {
  const grow: Action[] = more(kernel) ? ['grow'] : [];
  const used = memory(kernel);
  switch (kernel.state) {
    case 'pending': {
      const why = words(kernel.reason) || 'starting';
      const text = `${kernel.name}: ${why} ${clock(kernel.seconds)}`;
      return { text, title: kernel.message, said: `${kernel.name}: ${why}`, level: 'ok', actions: ['cancel'] };
    }
    case 'dead': {
      const text = `${kernel.name}: ${paragraph(kernel.died) || 'dead'}`;
      return { text, title: kernel.died, said: text, level: 'dead', actions: ['restart'] };
    }
    case 'suspended': {
      const isPaused = kernel.reason === PAUSED;
      const said = `${kernel.name}: ${isPaused ? 'paused' : 'needs more memory'}`;
      const actions: Action[] = isPaused ? ['resume', 'restart'] : [...grow, 'interrupt', 'restart'];
      return { text: said + (used && `, ${used}`), title: kernel.message, said, level: 'warn', actions };
    }
  }
  if (!used) {
    return { ...NOTHING, said: `${kernel.name}: ready`, actions: grow };
  }
  const { usage, limit } = kernel.memory!;
  const level = limit !== null && usage! >= WARN_SHARE * limit ? 'warn' : 'ok';
  const title = limit === null ? 'Memory of the kernel' : 'Memory of the kernel, and its limit';
  const said = `${kernel.name}: ${level === 'warn' ? 'memory is scarce' : 'ready'}`;
  return { text: used, title, said, level, actions: [...grow, 'pause', 'restart'] };
}

/** `212 / 300 MiB`; empty when it is not known. */
function memory(kernel: IKernel): string {
  const { usage = null, limit = null } = kernel.memory ?? {};
  if (usage === null) {
    return '';
  }
  return limit === null ? `${mib(usage)} MiB` : `${mib(usage)} / ${mib(limit)} MiB`;
}

/** The amount that is offered: twice the limit, as Kubernetes writes it; empty without a limit. */
export function more(kernel: IKernel): string {
  const limit = kernel.memory?.limit ?? 0;
  return limit ? `${mib(2 * limit)}Mi` : '';
}

/** What an action is called in a menu or on a button. */
export function label(action: Action, kernel: IKernel | null): string {
  switch (action) {
    case 'cancel':
      return 'Cancel the Start';
    case 'grow':
      return `Give It ${kernel ? more(kernel) : 'More'} of Memory`;
    case 'pause':
      return 'Pause Kernel';
    case 'resume':
      return 'Resume Kernel';
    case 'interrupt':
      return 'Interrupt Kernel';
    case 'startNew':
      return 'Start New Kernel';
    default:
      return 'Restart Kernel';
  }
}

/** What is said, wherever a person is, of a kernel of theirs that died or did not start; null for other news. */
export interface IObituary {
  text: string;
  title: string;
  /** All lines: the cause, the last output, the commands that help. */
  body: string;
}

export function obituary(event: IKernelEvent, name: string): IObituary | null {
  if (event.phase !== 'died' && event.phase !== 'failed') {
    return null;
  }
  const body = event.message ?? '';
  const title = event.phase === 'died' ? 'Why the kernel died' : 'Why the kernel did not start';
  return { text: `${name}: ${paragraph(body)}`, title, body };
}

/** What helps after that.
 *
 * @param kernel what the server knows of it now; null: nothing, so it does not come back.
 */
export function remedy(event: IKernelEvent, kernel: IKernel | null): Action | null {
  if (kernel === null || event.over) {
    return 'startNew';
  }
  if (event.phase === 'failed') {
    return 'restart';
  }
  // It is restarted already.
  return event.message?.includes(OUT_OF_MEMORY) && more(kernel) ? 'grow' : null;
}

/** Whether a restart loses variables, and is asked for first. An offer may be hours old, and the kernel work again.
 *
 * @param status what the page knows of the kernel.
 * @param kernel what the server knows of it now; null: nothing, or it is none of ours.
 */
export function losesVariables(status: string, kernel: IKernel | null): boolean {
  return status !== 'dead' && kernel?.state !== 'dead' && kernel?.state !== 'pending';
}

/** The memory that a kernel has by now, as Kubernetes writes it, if that is as much as was offered; empty: it is not. */
export function hasAlready(offered: IKernel, now: IKernel | null): string {
  const limit = now?.memory?.limit ?? 0;
  return limit >= 2 * (offered.memory?.limit ?? Infinity) ? `${mib(limit)}Mi` : '';
}

/** Whether news of a kernel make what was said of it before untrue, and it is taken back.
 *
 * @param before the event that was told of it.
 */
export function takesBack(before: IKernelEvent, event: IKernelEvent): boolean {
  return obituary(event, '') !== null || (event.phase === 'ready' && before.phase === 'failed');
}

/** A kernelspec as JupyterLab knows it. */
export interface ISpec {
  display_name: string;
  metadata?: { [key: string]: any };
}

/** What a tile of the launcher says to the mouse: lines, or nothing for kernels that are not on Kubernetes. */
export function tooltip(spec: ISpec): string {
  const stanza = spec.metadata?.kernel_provisioner;
  if (stanza?.provisioner_name !== 'kubernel') {
    return '';
  }
  const config = stanza.config ?? {};
  const memory = config.memory && config.memory_max ? `${config.memory}, grows up to ${config.memory_max}` : config.memory;
  const elsewhere = config.template_name ? "the template's" : "the operator's default";
  const lines = [
    ['Image', config.image || elsewhere],
    ['Memory', memory],
    ['CPU', config.cpu],
    ['GPU', config.gpu],
    ['Template', config.template_name],
    ['Namespace', config.namespace]
  ];
  const told = lines.filter(([, value]) => value).map(([name, value]) => `${name}: ${value}`);
  return [`${spec.display_name}, on Kubernetes`, ...told].join('\n');
}

/** The kernelspec's name in the address of its logo; empty for another address. */
export function specOfLogo(address: string): string {
  const found = /\/kernelspecs\/([^/]+)\/[^/]*$/.exec(address);
  return found ? decodeURIComponent(found[1]) : '';
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

/** The first sentence of a text whose lines were broken to fit: up to the line that begins another part of it. */
function paragraph(text: string): string {
  const lines = text.split('\n');
  const end = lines.findIndex((line, index) => index > 0 && /^(Try|More|Its last output):/.test(line));
  const whole = (end < 0 ? lines : lines.slice(0, end)).join(' ');
  return /^.*?\([A-Za-z, ]+\)\./.exec(whole)?.[0] ?? whole;
}

/** What is said when a page meets a server that has just been started; empty when there is nothing to say. */
export function reattached(before: string | null, now: string, kernels: number): string {
  if (before === null || before === now || kernels === 0) {
    return '';
  }
  return kernels === 1 ? '1 kernel re-attached' : `${kernels} kernels re-attached`;
}
