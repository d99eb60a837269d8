// Carries out what a person chooses for a notebook's kernel.

import { ISessionContext, ISessionContextDialogs, Notification } from '@jupyterlab/apputils';

import { change } from './server.js';
import { Action, IKernel, more } from './telling.js';

/** Does it, and says what came of it where nothing else does.
 *
 * @param dialogs asks before variables are lost; null: nothing is to be lost any more.
 */
export async function act(
  action: Action,
  session: ISessionContext,
  kernel: IKernel | null,
  dialogs: ISessionContextDialogs | null
): Promise<void> {
  const id = session.session?.kernel?.id;
  try {
    switch (action) {
      case 'cancel':
        await session.shutdown();
        break;
      case 'interrupt':
        await session.session?.kernel?.interrupt();
        break;
      case 'restart':
      case 'startNew':
        await restart(session, dialogs);
        break;
      case 'grow':
        if (id && kernel) {
          await change(id, 'resize', { memory: more(kernel) });
          Notification.success(`The kernel has ${more(kernel)} of memory`, { autoClose: 5000 });
        }
        break;
      default:
        if (id) {
          await change(id, action);
        }
    }
  } catch (error) {
    Notification.error(String((error as Error).message), { autoClose: false });
  }
}

async function restart(session: ISessionContext, dialogs: ISessionContextDialogs | null): Promise<void> {
  if (session.session?.kernel && dialogs) {
    await dialogs.restart(session);
  } else if (session.session?.kernel) {
    await session.restartKernel();
  } else {
    await session.changeKernel({ name: session.prevKernelName });
  }
}
