import type { TruthMailbox, TruthSummary } from '../../simulator/index.ts';
import type { ScanStateAnswer } from '../api-client.ts';
import { secondsOf } from '../scan-report.ts';
import { count, counted } from '../text/numbers.ts';
import type { Comparison, Finding } from './comparison.ts';

/** The demo's figures, as `--json` prints them. */
export interface DemoFigures {
  /** Read to their end. */
  readonly mailboxes: number;
  /** In the visible folders of the tenant. */
  readonly messages: number;
  /** Of them, those that have a row. */
  readonly stored: number;
  readonly missing: number;
  /** Rows beyond one for each message: second ones, and ones that no message of the tenant accounts for. */
  readonly duplicated: number;
  readonly different: number;
  readonly seconds: number;
  readonly messagesPerSecond: number;
  /** Of the worker's process, in MB (10^6 bytes). */
  readonly peakRssMb: number;
}

export interface DemoOutcome {
  readonly state: ScanStateAnswer;
  readonly comparison: Comparison;
  /** Rows of the table of messages. */
  readonly rows: number;
  readonly peakRssMb: number;
}

export function demoFigures({ state, comparison, rows, peakRssMb }: DemoOutcome): DemoFigures {
  const { messages, stored, missing, duplicated, different } = comparison;
  const seconds = secondsOf(state);
  const unaccounted = Math.max(0, rows - stored - duplicated);
  return {
    mailboxes: state.mailboxes.completed,
    messages,
    stored,
    missing,
    duplicated: duplicated + unaccounted,
    different,
    seconds: Math.round(seconds * 100) / 100,
    messagesPerSecond: seconds > 0 ? Math.round(stored / seconds) : 0,
    peakRssMb,
  };
}

/** Whether the demo did what it is there for. */
export const isClean = (
  { missing, duplicated, different }: DemoFigures,
  { status }: Pick<ScanStateAnswer, 'status'>,
): boolean => missing + duplicated + different === 0 && (status === 'completed' || status === 'completed_with_errors');

/** `Compared 5,000 messages …: nothing is missing, duplicated or different.` */
export function comparisonReport(figures: DemoFigures, findings: readonly Finding[]): string[] {
  const { messages, missing, duplicated, different } = figures;
  if (missing + duplicated + different === 0) {
    return [
      `Compared every field of ${counted(messages, 'message')} with the tenant: nothing is missing, duplicated or different.`,
    ];
  }
  return [
    `Compared every field of ${counted(messages, 'message')} with the tenant: ${count(missing)} missing, ` +
      `${count(duplicated)} duplicated, ${count(different)} different.`,
    ...findings.map(
      ({ kind, mailboxId, id, columns }) =>
        `  ${kind}: mailbox ${mailboxId}, message ${id}${columns ? ` (${columns.join(', ')})` : ''}`,
    ),
  ];
}

const REASONS: Readonly<Record<string, string>> = {
  guest: 'a guest, who has no mailbox in this tenant',
  unlicensed: 'a user without a licence for a mailbox',
  denied: 'a policy of the tenant denies the application this mailbox',
};

/** Which users of the tenant have no mailbox that can be read, and why. */
export function leftOut(mailboxes: readonly TruthMailbox[]): string[] {
  const unread = mailboxes.filter(({ readable }) => !readable);
  if (unread.length === 0) return [];
  return [
    'Users without a mailbox that can be read, left out of the scan:',
    ...unread.map(({ userPrincipalName, kind, reason }) => {
      return `  ${userPrincipalName}: ${REASONS[kind] ?? kind}${reason === null ? '' : ` (Graph: ${reason})`}`;
    }),
  ];
}

/** `a tenant of 13 users with 10 mailboxes, 182 folders and 5,000 messages.` */
export function tenantInWords({ users, mailboxes, folders, messages }: TruthSummary): string {
  return (
    `a tenant of ${counted(users, 'user')} with ${counted(mailboxes, 'mailbox', 'mailboxes')}, ` +
    `${counted(folders, 'folder')} and ${counted(messages, 'message')}`
  );
}
