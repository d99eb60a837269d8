// The same as in the status bar's menu, in the menu Kernel and the command palette: for the keyboard, and for Notebook.

import { ICommandPalette } from '@jupyterlab/apputils';
import { IMainMenu } from '@jupyterlab/mainmenu';
import { CommandRegistry } from '@lumino/commands';

import { Action, label } from './telling.js';
import { KernelWatch } from './watch.js';

/** Those that JupyterLab has no entries of its own for. */
const OURS: Action[] = ['cancel', 'grow', 'pause', 'resume'];
const EXPLAIN = 'kubernel:explain';
const RANK = 5; // below Restart, Shut Down ...

export function addCommands(
  commands: CommandRegistry,
  watch: KernelWatch,
  menu: IMainMenu | null,
  palette: ICommandPalette | null
): void {
  for (const action of OURS) {
    commands.addCommand(`kubernel:${action}`, {
      label: () => label(action, watch.kernel),
      isVisible: () => watch.shown.actions.includes(action),
      isEnabled: () => watch.shown.actions.includes(action),
      execute: () => watch.act(action)
    });
  }
  commands.addCommand(EXPLAIN, {
    label: () => (watch.kernel?.state === 'dead' ? 'Why the Kernel Did Not Start' : 'Why the Kernel Died'),
    isVisible: () => Boolean(watch.kernel?.died),
    isEnabled: () => Boolean(watch.kernel?.died),
    execute: () => watch.explain()
  });
  const ids = [...OURS.map(action => `kubernel:${action}`), EXPLAIN];
  menu?.kernelMenu.addGroup(
    ids.map(command => ({ command })),
    RANK
  );
  ids.forEach(command => palette?.addItem({ command, category: 'Kernel Operations' }));
  watch.changed.connect(() => ids.forEach(id => commands.notifyCommandChanged(id)));
}
