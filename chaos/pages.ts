import type { Tap } from './proxy.ts';

/** A page of a folder's delta that was asked for. */
export interface PageRequest {
  /** The path and query that was asked for, as a stored link has it. */
  readonly target: string;
  readonly at: number;
  /** Graph began to answer it with 200. */
  isRead: boolean;
}

const DELTA_REQUEST = /^GET (\S+\/messages\/delta\?\S*) HTTP\/1\.1\r\n/;
const ANY_REQUEST = /^[A-Z]+ \S+ HTTP\/1\.1\r\n/;
const STATUS_LINE = /^HTTP\/1\.1 (\d{3}) /;

/**
 * Which pages are asked of Graph, read off the wire. A connection carries one request at a time, and each begins a chunk
 * of its own.
 */
export class PageLog {
  readonly requests: PageRequest[] = [];

  tap(): Tap {
    let open: PageRequest | undefined;
    return {
      fromClient: (chunk) => {
        const text = chunk.toString('latin1');
        if (!ANY_REQUEST.test(text)) return;
        const target = DELTA_REQUEST.exec(text)?.[1];
        open = target === undefined ? undefined : { target, at: Date.now(), isRead: false };
        if (open) this.requests.push(open);
      },
      fromServer: (chunk) => {
        if (!open) return;
        const [, status] = STATUS_LINE.exec(chunk.toString('latin1', 0, 16)) ?? [];
        if (status === undefined) return;
        open.isRead = status === '200';
        open = undefined;
      },
    };
  }
}
