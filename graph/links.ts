import { createHash } from 'node:crypto';
import { GraphError } from './errors.ts';

/**
 * The path and query of an absolute link, unchanged, after a check that it leads to Graph itself: a token must never go
 * anywhere else.
 * @throws GraphError `ForeignLink`
 */
export function pathOfLink(link: string, origin: string): string {
  const url = URL.canParse(link) ? new URL(link) : undefined;
  if (url?.origin !== origin || url.username !== '' || url.password !== '') {
    throw new GraphError('A link leads away from Microsoft Graph and is not followed', {
      kind: 'bad_request',
      code: 'ForeignLink',
    });
  }
  const plain = /^https?:\/\/[^/?#\\]+(\/[\x21-\x7e]*)$/i.exec(link)?.[1];
  return plain === undefined || plain.includes('#') ? url.pathname + url.search : plain;
}

/**
 * Remembers the links of one walk, because a next link has been seen to lead in circles.
 * https://learn.microsoft.com/graph/paging says only to follow them until there is none.
 */
export class LinkGuard {
  readonly #seen = new Set<string>();

  /** @throws GraphError `LinkLoop` when this walk has come by before */
  pass(link: string): void {
    const print = createHash('sha1').update(link).digest('base64');
    if (this.#seen.has(print)) {
      throw new GraphError('The pages lead in a circle', { kind: 'bad_request', code: 'LinkLoop' });
    }
    this.#seen.add(print);
  }
}
