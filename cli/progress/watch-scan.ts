import { isFinal } from '../../model/scan.ts';
import { pause } from '../../embedded/pause.ts';
import type { ApiClient, ScanStateAnswer } from '../api-client.ts';
import { ApiError, ApiUnreachable } from '../api-errors.ts';
import type { Output } from '../output.ts';
import { createDisplay } from './display.ts';
import { figuresLine, figuresOf } from './figures.ts';

export interface WatchOptions {
  readonly notes: Output;
  readonly signal: AbortSignal;
  /** Between two looks, ms; less at first, for small scans. Default: 1,000. */
  readonly everyMs?: number;
  /** How long an API that does not answer is waited for, ms: it may be restarting. Default: 120,000. */
  readonly patienceMs?: number;
  /** How many messages the scan will find, where that is known. */
  readonly messages?: number;
  readonly onState?: (state: ScanStateAnswer) => void;
}

const FIRST_LOOK_MS = 150;

/**
 * Shows a scan's progress until it ends, and answers its last state.
 * @throws {ApiError, ApiUnreachable} or the signal's reason; the scan goes on then
 */
export async function watchScan(api: ApiClient, scanId: string, options: WatchOptions): Promise<ScanStateAnswer> {
  const { notes, signal, everyMs = 1000, patienceMs = 120_000, messages, onState } = options;
  const display = createDisplay(notes);
  let awayUntil: number | undefined;
  let delay = FIRST_LOOK_MS;
  try {
    for (;;) {
      try {
        const state = await api.scanState(scanId);
        if (awayUntil !== undefined) notes.line('The API answers again.');
        awayUntil = undefined;
        onState?.(state);
        if (isFinal(state.status)) return state;
        const figures = figuresOf(state, messages);
        display.show(figuresLine(figures), figures.fraction);
      } catch (error) {
        if (!isAway(error)) throw error;
        if (awayUntil === undefined)
          notes.line('The API does not answer; the scan goes on without it. Waiting for it.');
        awayUntil ??= Date.now() + patienceMs;
        if (Date.now() > awayUntil) throw error;
      }
      await pause(Math.min(everyMs, delay), signal);
      delay *= 1.5;
    }
  } finally {
    display.end();
  }
}

const isAway = (error: unknown): boolean =>
  error instanceof ApiUnreachable || (error instanceof ApiError && error.status === 503);
