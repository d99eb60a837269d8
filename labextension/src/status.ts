// One item of the status bar, for the notebook that is in front.

import { ISessionContext, ISessionContextDialogs, Notification } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { CommandRegistry } from '@lumino/commands';
import { Menu, Widget } from '@lumino/widgets';

import { act } from './acting.js';
import { explain } from './deaths.js';
import { IAnswer, look } from './server.js';
import { Action, IKernel, IShown, label, NOTHING, reattached, shown } from './telling.js';

// The server answers from memory while a kernel starts; for its memory it asks the kernel's pod.
const PENDING_MILLISECONDS = 1000;
const READY_MILLISECONDS = 5000;
const ACTIONS: Action[] = ['cancel', 'grow', 'interrupt', 'pause', 'resume', 'restart'];

export class KernelStatus extends Widget {
  constructor(
    private tracker: INotebookTracker,
    private dialogs: ISessionContextDialogs
  ) {
    super();
    this.addClass('kubernel-Status');
    this.node.setAttribute('role', 'button');
    this.node.tabIndex = 0;
    this.button.textContent = 'Cancel';
    this.button.addEventListener('click', event => {
      event.stopPropagation();
      void this.act('cancel');
    });
    this.node.append(this.text, this.button);
    this.node.addEventListener('click', () => this.choose());
    this.node.addEventListener('keydown', event => event.key === 'Enter' && this.choose());
    const commands = new CommandRegistry();
    for (const action of ACTIONS) {
      commands.addCommand(action, { label: () => label(action, this.kernel), execute: () => this.act(action) });
    }
    this.menu = new Menu({ commands });
    tracker.currentChanged.connect(() => this.look());
    this.show_(NOTHING);
    void this.look();
  }

  private get session(): ISessionContext | null {
    return this.tracker.currentWidget?.sessionContext ?? null;
  }

  /** Asks the server, shows what it says, and asks again. */
  private async look(): Promise<void> {
    window.clearTimeout(this.timer);
    const id = this.session?.session?.kernel?.id;
    const isAsked = id && !document.hidden && !this.others.has(id);
    const answer = isAsked ? await look(id) : null;
    if (this.isDisposed) {
      return;
    }
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
    this.show_(this.kernel ? shown(this.kernel) : NOTHING);
    if (answer === null) {
      return;
    }
    if (answer.kernel === null) {
      this.others.add(answer.id);
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

  private show_(what: IShown): void {
    this.shown = what;
    this.node.dataset.level = what.level;
    this.node.title = what.title;
    this.text.textContent = what.text;
    this.button.hidden = !what.actions.includes('cancel');
  }

  private choose(): void {
    if (this.shown.level === 'dead' && this.session && this.kernel) {
      void explain('Why the kernel did not start', this.kernel.died, 'restart', this.session, this.kernel);
      return;
    }
    this.menu.clearItems();
    this.shown.actions.forEach(action => this.menu.addItem({ command: action }));
    const { left, top } = this.node.getBoundingClientRect();
    this.menu.open(left, top);
  }

  private async act(action: Action): Promise<void> {
    if (this.session) {
      await act(action, this.session, this.kernel, this.dialogs);
    }
    void this.look();
  }

  dispose(): void {
    window.clearTimeout(this.timer);
    this.menu.dispose();
    super.dispose();
  }

  private button = document.createElement('button');
  private kernel: IKernel | null = null;
  private others = new Set<string>();
  private menu: Menu;
  private server: string | null = null;
  private shown: IShown = NOTHING;
  private text = document.createElement('span');
  private timer = 0;
}
