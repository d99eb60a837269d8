// Carries out what a person chooses for a notebook's kernel.

import { ISessionContext, ISessionContextDialogs, Notification } from '@jupyterlab/apputils';

import { change, look } from './server.js';
import { Action, hasAlready, IKernel, losesVariables, more } from './telling.js';

/** Does it, and says what came of it where nothing else does.
 *
 * @param kernel what was known of it when that was offered.
 * @param dialogs asks before variables are lost.
 */
export async function act(
  action: Action,
  session: ISessionContext,
  kernel: IKernel | null,
  dialogs: ISessionContextDialogs
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
          const has = hasAlready(kernel, (await look(id))?.kernel ?? null);
          if (!has) {
            await change(id, 'resize', { memory: more(kernel) });
          }
          Notification.success(`The kernel has ${has || more(kernel)} of memory`, { autoClose: 5000 });
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

async function restart(session: ISessionContext, dialogs: ISessionContextDialogs): Promise<void> {
  const kernel = session.session?.kernel;
  if (!kernel) {
    await session.changeKernel({ name: session.prevKernelName });
  } else if (losesVariables(kernel.status, (await look(kernel.id))?.kernel ?? null)) {
    await dialogs.restart(session);
  } else {
    await session.restartKernel();
  }
}
