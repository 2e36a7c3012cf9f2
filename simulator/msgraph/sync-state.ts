import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Folder } from '../tenant/folder.ts';
import { faults } from './fault.ts';
import type { GraphRequest } from './request.ts';

/**
 * What a `$skiptoken` or `$deltatoken` of a delta query means. Graph keeps such states on its side and hands out names;
 * here the token itself carries the state, signed, so that any number of them costs no memory. The names are short
 * because links hold them.
 */
export interface SyncState {
  /** Mailbox and folder (-1: the tree of all folders), and the folder's generation. */
  m: number;
  f: number;
  g: number;
  /** The round tells what changed after this change number; undefined in the first round, which tells all. */
  since?: number;
  /** The change number at which the round began, and the next one will take up. */
  until: number;
  /**
   * The change number at which the round before ended. Of what happened between its beginning and its end, the client
   * may have been told already, or not.
   */
  walked?: number;
  /** How far the round is: after this message (time and ordinal) in the first, an offset in later ones. */
  after?: readonly [receivedAt: number, ordinal: number];
  offset?: number;
  /** Options of the first call, in force until a new walk begins. */
  select?: string;
  from?: number;
  changeType?: string;
  /** What `$top` and the limit of filtered walks still allow. */
  left?: number;
  /** Includes hidden folders (folder trees only). */
  hidden?: true;
  /** When the link was handed out, in seconds since 1970. */
  at?: number;
}

/** @throws GraphFault 410 where a fault says that the link of a delta walk is no longer good. */
export function checkLink(request: GraphRequest, { at = 0 }: SyncState, startPath: string): void {
  const kind = request.query.has('$deltatoken') ? 'delta' : 'next';
  request.faults?.checkLink(kind, Date.now() / 1000 - at, `${request.base}${startPath}`);
}

const SIGNATURE_BYTES = 12;

/** Writes and reads delta tokens. */
export class SyncStates {
  readonly #key: string;

  constructor(key: string) {
    this.#key = key;
  }

  write(state: SyncState): string {
    const body = Buffer.from(JSON.stringify({ ...state, at: Math.floor(Date.now() / 1000) }));
    return Buffer.concat([this.#sign(body), body]).toString('base64url');
  }

  /** @throws GraphFault 410 for tokens that this tenant did not hand out, or no longer knows. */
  read(token: string, mailbox: { index: number; sequence: number }, folder: Folder | undefined): SyncState {
    const bytes = Buffer.from(token, 'base64url');
    const body = bytes.subarray(SIGNATURE_BYTES);
    const generation = folder?.generation ?? 0;
    if (bytes.length <= SIGNATURE_BYTES || !timingSafeEqual(bytes.subarray(0, SIGNATURE_BYTES), this.#sign(body))) {
      throw faults.syncStateNotFound(0, generation + 1);
    }
    const state = JSON.parse(body.toString()) as SyncState;
    const isThis = state.m === mailbox.index && state.f === (folder?.number ?? -1);
    if (!isThis || state.g !== generation || state.until > mailbox.sequence) {
      throw faults.syncStateNotFound(state.g, generation + 1);
    }
    return state;
  }

  #sign(body: Uint8Array): Buffer {
    return createHmac('sha256', this.#key).update(body).digest().subarray(0, SIGNATURE_BYTES);
  }
}
