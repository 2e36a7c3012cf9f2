/**
 * Calls the control API of a simulator; `path` is that below `/_sim`, with its query.
 * @returns what it answers, undefined where that is nothing
 * @throws where it refuses
 */
export type ControlClient = <T = void>(method: string, path: `/${string}`, body?: object) => Promise<T>;

/** The control API of a simulator that runs in another process. */
export const controlClient =
  (url: string): ControlClient =>
  async <T>(method: string, path: string, body?: object) => {
    const response = await fetch(`${url}/_sim${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`The simulator answered ${response.status} to ${method} ${path}: ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  };
