import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISessionContextDialogs, SessionContextDialogs } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStatusBar } from '@jupyterlab/statusbar';

import { tellDeaths } from './deaths.js';
import { addTooltips } from './launcher.js';
import { KernelStatus } from './status.js';

const status: JupyterFrontEndPlugin<void> = {
  id: '@kubernel/labextension:status',
  description: 'Kernels on Kubernetes in the status bar: what they wait for, use, and why they did not start.',
  autoStart: true,
  requires: [INotebookTracker, IStatusBar],
  optional: [ISessionContextDialogs],
  activate: (
    _: JupyterFrontEnd,
    tracker: INotebookTracker,
    statusBar: IStatusBar,
    dialogs: ISessionContextDialogs | null
  ) => {
    statusBar.registerStatusItem('@kubernel/labextension:status', {
      item: new KernelStatus(tracker, dialogs ?? new SessionContextDialogs()),
      align: 'left',
      rank: 50
    });
  }
};

const deaths: JupyterFrontEndPlugin<void> = {
  id: '@kubernel/labextension:deaths',
  description: 'Says why a kernel on Kubernetes died, with the button that helps.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker) => tellDeaths(app.serviceManager, tracker)
};

const launcher: JupyterFrontEndPlugin<void> = {
  id: '@kubernel/labextension:launcher',
  description: "Image, memory, GPU and template of kernels on Kubernetes, in the launcher's tooltips.",
  autoStart: true,
  activate: (app: JupyterFrontEnd) => addTooltips(app.serviceManager.kernelspecs)
};

export default [status, deaths, launcher];
