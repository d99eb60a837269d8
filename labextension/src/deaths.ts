// Tells, wherever a person is in the page, that a kernel of one of its notebooks or consoles died or did not start.

import { Dialog, ISessionContext, ISessionContextDialogs, Notification, showDialog } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ServiceManager } from '@jupyterlab/services';
import { Widget } from '@lumino/widgets';

import { act } from './acting.js';
import { look } from './server.js';
import { Action, IKernel, IKernelEvent, label, obituary, remedy, takesBack } from './telling.js';

const SCHEMA_ID = 'https://kubernel.dev/events/kernel/v1';

type IPanel = Widget & { sessionContext: ISessionContext };

export function tellDeaths(
  services: ServiceManager.IManager,
  notebooks: INotebookTracker,
  consoles: IConsoleTracker | null,
  dialogs: ISessionContextDialogs
): void {
  // A page may hear that a kernel is gone before it hears why.
  const panels = new Map<string, IPanel>();
  const told = new Map<IPanel, ITold>();
  const follow = (_: unknown, panel: IPanel) => {
    panel.sessionContext.kernelChanged.connect((_, { newValue }) => newValue && panels.set(newValue.id, panel));
    panel.disposed.connect(() => {
      panels.forEach((other, id) => other === panel && panels.delete(id));
      told.delete(panel);
    });
  };
  notebooks.widgetAdded.connect(follow);
  consoles?.widgetAdded.connect(follow);
  services.events.stream.connect((_, emission) => {
    const panel = emission.schema_id === SCHEMA_ID ? panels.get(String(emission.kernel_id)) : undefined;
    if (!panel) {
      return;
    }
    const event = emission as unknown as IKernelEvent;
    const before = told.get(panel);
    if (before && takesBack(before.event, event)) {
      told.delete(panel);
      void before.message.then(id => Notification.dismiss(id));
    }
    if (obituary(event, '') !== null) {
      told.set(panel, { event, message: tell(event, panel, dialogs) });
    }
  });
}

/** What was said last of a panel's kernel, and the id of the message. */
interface ITold {
  event: IKernelEvent;
  message: Promise<string>;
}

async function tell(event: IKernelEvent, panel: IPanel, dialogs: ISessionContextDialogs): Promise<string> {
  const said = obituary(event, panel.title.label)!;
  const kernel = (await look(event.kernel_id))?.kernel ?? null;
  const session = panel.sessionContext;
  const action = remedy(event, kernel);
  const buttons: Notification.IAction[] = [
    { label: 'More', callback: () => void explain(said.title, said.body, action, session, kernel, dialogs) }
  ];
  if (action) {
    buttons.unshift({
      label: label(action, kernel),
      displayType: 'accent',
      callback: () => void act(action, session, kernel, dialogs)
    });
  }
  return Notification.error(said.text, { actions: buttons, autoClose: false });
}

/** Cause, last output, and the button that helps. */
export async function explain(
  title: string,
  body: string,
  action: Action | null,
  session: ISessionContext,
  kernel: IKernel | null,
  dialogs: ISessionContextDialogs
): Promise<void> {
  const text = new Widget({ node: document.createElement('pre') });
  text.addClass('kubernel-Cause');
  text.node.textContent = body;
  const buttons = [Dialog.cancelButton({ label: 'Close' })];
  if (action) {
    buttons.push(Dialog.okButton({ label: label(action, kernel) }));
  }
  const { button } = await showDialog({ title, body: text, buttons });
  if (button.accept && action) {
    await act(action, session, kernel, dialogs);
  }
}
