// Tells, wherever a person is in the page, that a kernel of one of its notebooks or consoles died or did not start.

import { Dialog, ISessionContext, Notification, showDialog } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { Event, ServiceManager } from '@jupyterlab/services';
import { Widget } from '@lumino/widgets';

import { act } from './acting.js';
import { look } from './server.js';
import { Action, IKernel, IKernelEvent, label, obituary, remedy } from './telling.js';

const SCHEMA_ID = 'https://kubernel.dev/events/kernel/v1';

type IPanel = Widget & { sessionContext: ISessionContext };

export function tellDeaths(
  services: ServiceManager.IManager,
  notebooks: INotebookTracker,
  consoles: IConsoleTracker | null
): void {
  // A page may hear that a kernel is gone before it hears why.
  const panels = new Map<string, IPanel>();
  const follow = (_: unknown, panel: IPanel) => {
    panel.sessionContext.kernelChanged.connect((_, { newValue }) => newValue && panels.set(newValue.id, panel));
    panel.disposed.connect(() => {
      panels.forEach((other, id) => other === panel && panels.delete(id));
    });
  };
  notebooks.widgetAdded.connect(follow);
  consoles?.widgetAdded.connect(follow);
  services.events.stream.connect((_, emission) => {
    const panel = emission.schema_id === SCHEMA_ID ? panels.get(String(emission.kernel_id)) : undefined;
    if (panel) {
      void tell(emission, panel);
    }
  });
}

async function tell(emission: Event.Emission, panel: IPanel): Promise<void> {
  const event = emission as unknown as IKernelEvent;
  const said = obituary(event, panel.title.label);
  if (said === null) {
    return;
  }
  const kernel = (await look(event.kernel_id))?.kernel ?? null;
  const session = panel.sessionContext;
  const action = remedy(event, kernel);
  const buttons: Notification.IAction[] = [
    { label: 'More', callback: () => void explain(said.title, said.body, action, session, kernel) }
  ];
  if (action) {
    buttons.unshift({
      label: label(action, kernel),
      displayType: 'accent',
      callback: () => void act(action, session, kernel, null)
    });
  }
  Notification.error(said.text, { actions: buttons, autoClose: false });
}

/** Cause, last output, and the button that helps. */
export async function explain(
  title: string,
  body: string,
  action: Action | null,
  session: ISessionContext,
  kernel: IKernel | null
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
    await act(action, session, kernel, null);
  }
}
