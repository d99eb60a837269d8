import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ServerConnection } from '@jupyterlab/services';
import { IStatusBar } from '@jupyterlab/statusbar';
import { CommandRegistry } from '@lumino/commands';
import { Menu, Widget } from '@lumino/widgets';

import { Action, IKernel, IShown, more, NOTHING, reattached, shown } from './telling.js';

// The server answers from memory while a kernel starts; for its memory it asks the kernel's pod.
const PENDING_MILLISECONDS = 1000;
const READY_MILLISECONDS = 5000;

interface IAnswer {
  id: string;
  /** Null for a kernel that does not run on Kubernetes. */
  kernel: IKernel | null;
  server: { id: string; reattached: number };
}

/** One item of the status bar, for the notebook that is in front. */
class KernelStatus extends Widget {
  constructor(private tracker: INotebookTracker) {
    super();
    this.addClass('kubernel-Status');
    this.node.addEventListener('click', event => this.choose(event));
    const menu = new CommandRegistry();
    const add = (action: Action, label: () => string) =>
      menu.addCommand(action, { label, execute: () => this.act(action) });
    add('cancel', () => 'Cancel the start');
    add('restart', () => 'Restart Kernel');
    add('grow', () => `Give It ${this.kernel ? more(this.kernel) : 'More'} of Memory`);
    this.menu = new Menu({ commands: menu });
    tracker.currentChanged.connect(() => this.look());
    this.show_(NOTHING);
    void this.look();
  }

  private get session() {
    return this.tracker.currentWidget?.sessionContext ?? null;
  }

  /** Asks the server, shows what it says, and asks again. */
  private async look(): Promise<void> {
    window.clearTimeout(this.timer);
    const id = this.session?.session?.kernel?.id;
    const isAsked = id && !document.hidden && !this.others.has(id);
    const answer = isAsked ? await ask<IAnswer>(`kernels/${encodeURIComponent(id)}`) : null;
    if (id === this.session?.session?.kernel?.id) {
      this.take(answer);
    }
    const pause = this.kernel?.state === 'pending' ? PENDING_MILLISECONDS : READY_MILLISECONDS;
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
    } else {
      this.tellDeath(answer.id, answer.kernel);
    }
    const news = reattached(this.server, answer.server.id, answer.server.reattached);
    this.server = answer.server.id;
    if (news) {
      Notification.success(news, { autoClose: 8000 });
    }
  }

  private tellDeath(id: string, kernel: IKernel): void {
    const before = this.deaths.get(id);
    this.deaths.set(id, kernel.died);
    if (before !== undefined && kernel.died && kernel.died !== before) {
      const actions = [{ label: 'More', callback: () => void this.explain() }];
      Notification.error(`${kernel.name}: ${kernel.died.split('\n')[0]}`, { actions, autoClose: false });
    }
  }

  private show_(what: IShown): void {
    this.shown = what;
    this.node.dataset.level = what.level;
    this.node.textContent = what.text;
    this.node.title = what.title;
    if (what.actions.includes('cancel')) {
      const button = document.createElement('button');
      button.textContent = 'Cancel';
      button.onclick = event => {
        event.stopPropagation();
        void this.act('cancel');
      };
      this.node.append(button);
    }
  }

  private choose(event: MouseEvent): void {
    if (this.shown.level === 'dead') {
      void this.explain();
      return;
    }
    this.menu.clearItems();
    this.shown.actions.forEach(action => this.menu.addItem({ command: action }));
    this.menu.open(event.clientX, event.clientY);
  }

  /** Cause, last output, and the buttons that help. */
  private async explain(): Promise<void> {
    const body = new Widget({ node: document.createElement('pre') });
    body.node.textContent = this.kernel?.died ?? '';
    const names: Partial<Record<string, Action>> = { 'Restart Kernel': 'restart' };
    if (this.kernel && this.shown.actions.includes('grow')) {
      names[`Restart with ${more(this.kernel)}`] = 'grow';
    }
    const buttons = [Dialog.cancelButton(), ...Object.keys(names).map(label => Dialog.okButton({ label }))];
    const { button } = await showDialog({ title: 'Why the kernel died', body, buttons });
    const action = button.accept ? names[button.label] : undefined;
    if (action) {
      await this.act(action);
    }
  }

  private async act(action: Action): Promise<void> {
    const id = this.session?.session?.kernel?.id;
    if (action === 'cancel') {
      await this.session?.shutdown();
    } else if (action === 'restart') {
      await this.session?.restartKernel();
    } else if (id && this.kernel) {
      const wasDead = this.kernel.state === 'dead';
      const memory = more(this.kernel);
      try {
        await ask(`kernels/${encodeURIComponent(id)}/resize`, { memory });
        Notification.success(`The kernel has ${memory}`, { autoClose: 5000 });
      } catch (error) {
        Notification.error(String((error as Error).message), { autoClose: false });
      }
      if (wasDead) {
        await this.session?.restartKernel();
      }
    }
    void this.look();
  }

  dispose(): void {
    window.clearTimeout(this.timer);
    super.dispose();
  }

  private deaths = new Map<string, string>();
  private kernel: IKernel | null = null;
  private others = new Set<string>();
  private menu: Menu;
  private server: string | null = null;
  private shown: IShown = NOTHING;
  private timer = 0;
}

/** GET, or POST with a body; null for what the server does not know: a kernel of another kind, no extension. */
async function ask<T>(path: string, body?: unknown): Promise<T | null> {
  const settings = ServerConnection.makeSettings();
  const url = URLExt.join(settings.baseUrl, 'kubernel', path);
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  let response: Response;
  try {
    response = await ServerConnection.makeRequest(url, init, settings);
  } catch {
    return null; // the server is away; the page says so elsewhere
  }
  if (response.ok) {
    return (await response.json()) as T;
  }
  if (body === undefined) {
    return null;
  }
  const said = await response.json().catch(() => ({}));
  throw new Error(said.message ?? `The server answered ${response.status}`);
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: '@kubernel/labextension:status',
  description: 'Kernels on Kubernetes in the status bar: what they wait for, use, and why they died.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IStatusBar],
  activate: (_: JupyterFrontEnd, tracker: INotebookTracker, statusBar: IStatusBar | null) => {
    statusBar?.registerStatusItem('@kubernel/labextension:status', {
      item: new KernelStatus(tracker),
      align: 'left',
      rank: 50
    });
  }
};

export default plugin;
