// One item of the status bar, for the notebook or console that is in front.

import { CommandRegistry } from '@lumino/commands';
import { Menu, Widget } from '@lumino/widgets';

import { ACTIONS, label } from './telling.js';
import { KernelWatch } from './watch.js';

export class KernelStatus extends Widget {
  constructor(private watch: KernelWatch) {
    super();
    this.addClass('kubernel-Status');
    this.node.setAttribute('role', 'group');
    this.node.setAttribute('aria-label', 'Kernel on Kubernetes');
    this.text.type = this.button.type = 'button';
    this.text.addEventListener('click', () => this.choose());
    this.button.textContent = 'Cancel';
    this.button.addEventListener('click', () => void watch.act('cancel'));
    // What a screen reader says by itself: seconds and MiB are only read where somebody is.
    this.said.className = 'kubernel-Said';
    this.said.setAttribute('role', 'status');
    this.node.append(this.text, this.button, this.said);
    const commands = new CommandRegistry();
    for (const action of ACTIONS) {
      commands.addCommand(action, { label: () => label(action, watch.kernel), execute: () => watch.act(action) });
    }
    this.menu = new Menu({ commands });
    this.menu.aboutToClose.connect(() => this.text.focus());
    watch.changed.connect(this.refresh, this);
    this.refresh();
  }

  private refresh(): void {
    const { level, title, text, said, actions } = this.watch.shown;
    this.node.dataset.level = level;
    this.node.title = title;
    this.text.textContent = text;
    this.text.setAttribute('aria-haspopup', level === 'dead' ? 'dialog' : 'menu');
    this.button.hidden = !actions.includes('cancel');
    if (this.said.textContent !== said) {
      this.said.textContent = said;
    }
  }

  private choose(): void {
    if (this.watch.shown.level === 'dead') {
      this.watch.explain();
      return;
    }
    this.menu.clearItems();
    this.watch.shown.actions.forEach(action => this.menu.addItem({ command: action }));
    const { left, top } = this.node.getBoundingClientRect();
    this.menu.open(left, top);
  }

  dispose(): void {
    this.watch.changed.disconnect(this.refresh, this);
    this.menu.dispose();
    super.dispose();
  }

  private button = document.createElement('button');
  private menu: Menu;
  private said = document.createElement('span');
  private text = document.createElement('button');
}
