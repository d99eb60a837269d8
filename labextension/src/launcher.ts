// Tiles of the launcher say what is behind them: JupyterLab itself shows a kernelspec's name only.

import { KernelSpec } from '@jupyterlab/services';

import { specOfLogo, tooltip } from './telling.js';

export function addTooltips(manager: KernelSpec.IManager): void {
  const add = (event: Event) => {
    const card = (event.target as Element).closest?.('.jp-LauncherCard');
    const name = specOfLogo(card?.querySelector('img')?.src ?? '');
    const spec = manager.specs?.kernelspecs[name];
    const text = spec ? tooltip(spec as any) : '';
    if (card && text) {
      [card, ...Array.from(card.querySelectorAll('[title]'))].forEach(each => each.setAttribute('title', text));
    }
  };
  document.addEventListener('mouseover', add);
  document.addEventListener('focusin', add);
}
