// Ends cells whose end was lost together with the server that would have told it: the next one does not know of them.

import { ISessionContext } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { Kernel } from '@jupyterlab/services';

import { look } from './server.js';
import { LOST } from './telling.js';

// A cell's "idle" comes on another channel than replies do.
const LATE_MILLISECONDS = 1000;

/** As much of a code cell as is used; other cells have none. */
interface ICodeCell {
  outputArea?: { future: Kernel.IShellFuture | null; model: { add(output: object): void } };
}

interface IRunning {
  area: NonNullable<ICodeCell['outputArea']>;
  future: Kernel.IShellFuture;
}

type Cells = () => Iterable<unknown>;

export function endLostCells(notebooks: INotebookTracker, consoles: IConsoleTracker | null): void {
  const follow = (session: ISessionContext, cells: Cells) =>
    session.connectionStatusChanged.connect((_, status) => {
      if (status === 'connected') {
        void endLost(session, cells);
      }
    });
  notebooks.widgetAdded.connect((_, panel) => follow(panel.sessionContext, () => panel.content.widgets));
  consoles?.widgetAdded.connect((_, panel) => follow(panel.sessionContext, () => panel.console.cells));
}

/** A kernel does one thing after the other: what it was sent before a question it has done by the answer. */
async function endLost(session: ISessionContext, cells: Cells): Promise<void> {
  const kernel = session.session?.kernel;
  const running = await runningCells(cells);
  if (!kernel || running.length === 0 || !(await look(kernel.id))?.kernel) {
    return;
  }
  try {
    await kernel.requestKernelInfo();
  } catch {
    return; // it has ended, which is told elsewhere
  }
  await new Promise(done => window.setTimeout(done, LATE_MILLISECONDS));
  const still = await runningCells(cells);
  for (const { area, future } of running) {
    if (still.some(each => each.future === future)) {
      future.dispose();
      area.model.add({ output_type: 'error', ename: 'ConnectionLost', evalue: LOST[0], traceback: LOST });
    }
  }
}

async function runningCells(cells: Cells): Promise<IRunning[]> {
  const found: IRunning[] = [];
  for (const cell of cells()) {
    const area = (cell as ICodeCell).outputArea;
    const future = area?.future;
    if (area && future && !future.isDisposed && !(await isDone(future))) {
      found.push({ area, future });
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
