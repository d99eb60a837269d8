// The server extension's own addresses.

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { IKernel } from './telling.js';

export interface IAnswer {
  id: string;
  /** Null for a kernel that does not run on Kubernetes, or is gone. */
  kernel: IKernel | null;
  /** reattached is null while that is not settled yet. */
  server: { id: string; reattached: number | null };
}

/** What is known of a kernel; null when the server is away, or has no such extension. */
export async function look(id: string): Promise<IAnswer | null> {
  try {
    const response = await request(id, '');
    return response.ok ? ((await response.json()) as IAnswer) : null;
  } catch {
    return null; // the page says so elsewhere
  }
}

/** More memory, a pause, and its end; what a server refuses is thrown in its words. */
export async function change(id: string, what: 'resize' | 'pause' | 'resume', body: object = {}): Promise<void> {
  const response = await request(id, `/${what}`, { method: 'POST', body: JSON.stringify(body) });
  if (!response.ok) {
    const said = await response.json().catch(() => ({}));
    throw new Error(said.message ?? `The server answered ${response.status}`);
  }
}

/** Which cells a page waits for; a server without such an extension, or with an older one, takes no notice. */
export async function tellCells(id: string, session: string, headers: object[]): Promise<void> {
  try {
    await request(id, '/cells', { method: 'POST', body: JSON.stringify({ session, headers }) });
  } catch {
    // The page says elsewhere that there is no server, and comes here again when there is one.
  }
}

function request(id: string, what: string, init: RequestInit = {}): Promise<Response> {
  const settings = ServerConnection.makeSettings();
  const url = URLExt.join(settings.baseUrl, 'kubernel/kernels', encodeURIComponent(id)) + what;
  return ServerConnection.makeRequest(url, init, settings);
}
