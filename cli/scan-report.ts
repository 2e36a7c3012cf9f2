import type { FinalScanStatus, ScanStatus } from '../model/scan.ts';
import { isFinal } from '../model/scan.ts';
import type { ScanStateAnswer } from './api-client.ts';
import { contentsInWords } from './contents.ts';
import { differencesInWords } from './differences.ts';
import { EXIT } from './exit-codes.ts';
import { figuresOf } from './progress/figures.ts';
import { count, counted, duration, elapsed } from './text/numbers.ts';

const EXIT_OF: Readonly<Record<FinalScanStatus, number>> = {
  completed: EXIT.ok,
  completed_with_errors: EXIT.completedWithErrors,
  cancelled: EXIT.cancelled,
  failed: EXIT.failure,
  crashed: EXIT.failure,
};

/** How a command ends that waited for a scan. */
export const exitCodeOf = (status: ScanStatus): number => (isFinal(status) ? EXIT_OF[status] : EXIT.ok);

/** `completed with errors` */
export const statusInWords = (status: ScanStatus): string => status.replaceAll('_', ' ');

/** Seconds that a scan has taken, or takes so far. */
export function secondsOf(
  { startTime, endTime }: Pick<ScanStateAnswer, 'startTime' | 'endTime'>,
  now = Date.now(),
): number {
  return Math.max(0, (endTime === null ? now : Date.parse(endTime)) - Date.parse(startTime)) / 1000;
}

/** `Scan x completed: 5,000 messages of 12 mailboxes in 4.1 s.` and, where something was left out, why. */
export function endReport(state: ScanStateAnswer): string[] {
  const { completed, failed, skipped } = state.mailboxes;
  const parts = [failed > 0 && `${count(failed)} failed`, skipped > 0 && `${count(skipped)} skipped`].filter(Boolean);
  const seconds = secondsOf(state);
  const kept = state.contents ? contentsInWords(state.contents) : '';
  return [
    `Scan ${state.scanId} ${statusInWords(state.status)}: ${counted(state.recordsExtracted, 'message')} of ` +
      `${counted(completed, 'mailbox', 'mailboxes')}${parts.length > 0 ? ` (${parts.join(', ')})` : ''} in ${elapsed(seconds)}.`,
    ...(kept ? [`  ${kept}.`] : []),
    ...(state.errorMessage ? [`  ${state.errorMessage}`] : []),
  ];
}

/** Everything about one scan, as label and value. */
export function describeScan(state: ScanStateAnswer, now = Date.now()): [label: string, value: string][] {
  const { total, running, completed, failed, skipped } = state.mailboxes;
  const { secondsLeft } = figuresOf(state);
  const lines: [string, string | null][] = [
    ['scan', state.scanId],
    ['organization', state.organizationId],
    ['status', statusInWords(state.status)],
    ['mode', state.mode],
    ['started', state.startTime],
    ['ended', state.endTime],
    ['took', state.endTime === null ? null : elapsed(secondsOf(state))],
    ['running for', state.endTime === null ? duration(secondsOf(state, now)) : null],
    ['time left', state.endTime === null && secondsLeft !== null ? duration(secondsLeft) : null],
    ['messages', `${count(state.recordsExtracted)} (${count(state.messagesPerSecond)}/s)`],
    ['differences', differencesInWords(state.differences) || null],
    ['beside them', state.contents ? contentsInWords(state.contents) || null : null],
    [
      'mailboxes',
      `${count(total)}: ${count(completed)} completed, ${count(running)} running, ${count(failed)} failed, ${count(skipped)} skipped`,
    ],
    ['error', state.errorMessage],
    ['workflow', state.workflow.url ?? state.workflow.id],
  ];
  return lines.filter((line): line is [string, string] => line[1] !== null);
}
