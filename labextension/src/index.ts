import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, ISessionContextDialogs, SessionContextDialogs } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { IMainMenu } from '@jupyterlab/mainmenu';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStatusBar } from '@jupyterlab/statusbar';

import { addCommands } from './commands.js';
import { tellDeaths } from './deaths.js';
import { addTooltips } from './launcher.js';
import { nameLostCells } from './lost.js';
import { KernelStatus } from './status.js';
import { KernelWatch } from './watch.js';

const status: JupyterFrontEndPlugin<void> = {
  id: '@kubernel/labextension:status',
  description: 'Kernels on Kubernetes in the status bar and the menu Kernel: what they wait for, use, and can be given.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IConsoleTracker, IStatusBar, ISessionContextDialogs, IMainMenu, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    consoles: IConsoleTracker | null,
    statusBar: IStatusBar | null,
    dialogs: ISessionContextDialogs | null,
    menu: IMainMenu | null,
    palette: ICommandPalette | null
  ) => {
    const watch = new KernelWatch(notebooks, consoles, dialogs ?? new SessionContextDialogs());
    addCommands(app.commands, watch, menu, palette);
    statusBar?.registerStatusItem('@kubernel/labextension:status', {
      item: new KernelStatus(watch),
      align: 'left',
      rank: 50,
      priority: 1 // in a narrow window, too
    });
  }
};

const deaths: JupyterFrontEndPlugin<void> = {
  id: '@kubernel/labextension:deaths',
  description: 'Says why a kernel on Kubernetes died, with the button that helps.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IConsoleTracker, ISessionContextDialogs],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    consoles: IConsoleTracker | null,
    dialogs: ISessionContextDialogs | null
  ) => tellDeaths(app.serviceManager, notebooks, consoles, dialogs ?? new SessionContextDialogs())
};

const lost: JupyterFrontEndPlugin<void> = {
  id: '@kubernel/labextension:lost',
  description: 'Ends cells whose end was lost, with a server that was killed for instance.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IConsoleTracker],
  activate: (_: JupyterFrontEnd, notebooks: INotebookTracker, consoles: IConsoleTracker | null) =>
    nameLostCells(notebooks, consoles)
};

const launcher: JupyterFrontEndPlugin<void> = {
  id: '@kubernel/labextension:launcher',
  description: "Image, memory, GPU and template of kernels on Kubernetes, in the launcher's tooltips.",
  autoStart: true,
  activate: (app: JupyterFrontEnd) => addTooltips(app.serviceManager.kernelspecs)
};

export default [status, deaths, lost, launcher];
