// Looks at the kernel of the notebook or console that is in front, while somebody sees the page.

import { ISessionContext, ISessionContextDialogs, Notification } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISignal, Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { act } from './acting.js';
import { explain } from './deaths.js';
import { IAnswer, look } from './server.js';
import { Action, IKernel, IShown, NOTHING, reattached, shown } from './telling.js';

// The server answers from memory while a kernel starts; for its memory it asks the kernel's pod.
const PENDING_MILLISECONDS = 1000;
const READY_MILLISECONDS = 5000;
// A kernel that is none of ours may become one: a server that was started while its cluster was away takes it up later.
const OTHERS_MILLISECONDS = 60000;

type IPanel = Widget & { sessionContext: ISessionContext };

export class KernelWatch {
  /** What is known of it; null for a kernel that is none of ours. */
  kernel: IKernel | null = null;
  shown: IShown = NOTHING;

  constructor(
    notebooks: INotebookTracker,
    consoles: IConsoleTracker | null,
    private dialogs: ISessionContextDialogs
  ) {
    notebooks.currentChanged.connect((_, panel) => this.turnTo(panel));
    consoles?.currentChanged.connect((_, panel) => this.turnTo(panel));
    this.turnTo(notebooks.currentWidget ?? consoles?.currentWidget ?? null);
  }

  /** Emitted after each look. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Does what a person has chosen. */
  async act(action: Action): Promise<void> {
    if (this.session) {
      await act(action, this.session, this.kernel, this.dialogs);
    }
    void this.look();
  }

  /** Shows why the kernel died last, or did not start. */
  explain(): void {
    if (this.session && this.kernel) {
      const isDead = this.kernel.state === 'dead';
      const title = isDead ? 'Why the kernel did not start' : 'Why the kernel died';
      void explain(title, this.kernel.died, isDead ? 'restart' : null, this.session, this.kernel, this.dialogs);
    }
  }

  private get session(): ISessionContext | null {
    return this.panel?.sessionContext ?? null;
  }

  private turnTo(panel: IPanel | null): void {
    if (panel !== null) {
      this.panel = panel;
      panel.disposed.connect(this.turnFrom, this);
    }
    void this.look();
  }

  private turnFrom(panel: Widget): void {
    this.panel = this.panel === panel ? null : this.panel;
  }

  /** Asks the server, and asks again. */
  private async look(): Promise<void> {
    window.clearTimeout(this.timer);
    const id = this.session?.session?.kernel?.id;
    const isAsked = id && !document.hidden && Date.now() >= (this.others.get(id) ?? 0);
    const answer = isAsked ? await look(id) : null;
    if (id === this.session?.session?.kernel?.id) {
      this.take(answer);
    }
    // Without a kernel nobody is asked.
    const isSettled = this.kernel !== null && this.kernel.state !== 'pending';
    const pause = isSettled ? READY_MILLISECONDS : PENDING_MILLISECONDS;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.look(), pause);
  }

  private take(answer: IAnswer | null): void {
    this.kernel = answer?.kernel ?? null;
    this.shown = this.kernel ? shown(this.kernel) : NOTHING;
    this._changed.emit();
    if (answer === null) {
      return;
    }
    if (answer.kernel === null) {
      this.others.set(answer.id, Date.now() + OTHERS_MILLISECONDS);
    }
    const { id, reattached: kernels } = answer.server;
    if (kernels === null) {
      return; // it is said when all of them are there
    }
    const news = reattached(this.server, id, kernels);
    this.server = id;
    if (news) {
      Notification.success(news, { autoClose: 8000 });
    }
  }

  private _changed = new Signal<this, void>(this);
  private others = new Map<string, number>(); // when to ask for each anew
  private panel: IPanel | null = null;
  private server: string | null = null;
  private timer = 0;
}
