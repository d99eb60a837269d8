// Names the cells whose end a page waits for to the server that it is connected to: another one, or another connection,
// may have lost it. The server asks the kernel, and ends what is over.

import { ISessionContext } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { Kernel } from '@jupyterlab/services';

import { tellCells } from './server.js';

// What the server has kept for the page comes first.
const LATE_MILLISECONDS = 1000;

/** As much of a code cell as is used; other cells have none. */
interface ICodeCell {
  outputArea?: { future: Kernel.IShellFuture | null };
}

type Cells = () => Iterable<unknown>;

export function nameLostCells(notebooks: INotebookTracker, consoles: IConsoleTracker | null): void {
  const follow = (session: ISessionContext, cells: Cells) =>
    session.connectionStatusChanged.connect((_, status) => {
      if (status === 'connected') {
        window.setTimeout(() => void name(session, cells), LATE_MILLISECONDS);
      }
    });
  notebooks.widgetAdded.connect((_, panel) => follow(panel.sessionContext, () => panel.content.widgets));
  consoles?.widgetAdded.connect((_, panel) => follow(panel.sessionContext, () => panel.console.cells));
}

async function name(session: ISessionContext, cells: Cells): Promise<void> {
  const kernel = session.session?.kernel;
  const futures = await running(cells);
  if (kernel && futures.length > 0) {
    await tellCells(
      kernel.id,
      kernel.clientId,
      futures.map(future => future.msg.header)
    );
  }
}

async function running(cells: Cells): Promise<Kernel.IShellFuture[]> {
  const found: Kernel.IShellFuture[] = [];
  for (const cell of cells()) {
    const future = (cell as ICodeCell).outputArea?.future;
    if (future && !future.isDisposed && !(await isDone(future))) {
      found.push(future);
    }
  }
  return found;
}

function isDone(future: Kernel.IShellFuture): Promise<boolean> {
  const done = future.done.then(
    () => true,
    () => true
  );
  return Promise.race([done, new Promise<boolean>(resolve => window.setTimeout(() => resolve(false)))]);
}
