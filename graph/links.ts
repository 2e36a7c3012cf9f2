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
    throw foreignLink();
  }
  const plain = /^https?:\/\/[^/?#\\]+(\/[\x21-\x7e]*)$/i.exec(link)?.[1];
  return plain === undefined || plain.includes('#') ? url.pathname + url.search : plain;
}

/** A path of Graph's without the version that it begins with. @throws GraphError `ForeignLink` for another version's */
export function pathBelow(path: string, prefix: string): string {
  if (!path.toLowerCase().startsWith(`${prefix.toLowerCase()}/`)) throw foreignLink();
  return path.slice(prefix.length);
}

function foreignLink(): GraphError {
  return new GraphError('A link leads away from Microsoft Graph and is not followed', {
    kind: 'bad_request',
    code: 'ForeignLink',
  });
}

/**
 * The next link of a list, moved on by one message, and the position of the message that it leaves out. Undefined for a
 * link that does not say where it stands. Such links are not to be made up by counting, for Graph counts what it has
 * looked at and not what it has sent; but there is no other way past a message that no page can hold.
 */
export function pastNext(link: string): { readonly link: string; readonly position: number } | undefined {
  const found = /(?<=[?&](?:\$|%24)skip=)\d{1,9}(?=&|$)/i.exec(link);
  if (!found) return undefined;
  const position = Number(found[0]);
  const after = link.slice(found.index + found[0].length);
  return { link: `${link.slice(0, found.index)}${position + 1}${after}`, position };
}

/** Pages that lead in a circle. The walk ends; a later one, from the last page that was taken, may find its way. */
export function linkLoop(): GraphError {
  return new GraphError('The pages lead in a circle', { kind: 'unavailable', code: 'LinkLoop' });
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
      throw linkLoop();
    }
    this.#seen.add(print);
  }
}
