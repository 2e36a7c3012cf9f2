import { defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Priority } from '../model/destination.ts';
import type { MailboxReport, MailboxWait } from '../model/scan.ts';
import type { SessionStatus } from '../model/session.ts';
import type { ReadRequest } from './requests.ts';

/** How a scan's start ended: under way, waiting for its turn, or turned down. */
export type ScanAdmission =
  | { readonly status: 'running' | 'pending' }
  | {
      /** `refused`: Entra or Graph turned the credential down. `unreachable`: they did not answer. */
      readonly status: 'refused' | 'unreachable';
      /** What Entra or Graph said, in words an administrator can act on. */
      readonly reason: string;
    };

/** How a session's start went: as far as it has come, or turned down. */
export type SessionStart =
  { readonly status: SessionStatus } | { readonly status: 'refused' | 'unreachable'; readonly reason: string };

/** To `scanTenant`, with its start: answers once the credential was tried and a turn was asked for. */
export const admittedUpdate = defineUpdate<ScanAdmission>('admitted');
/** To `scanTenant`, from a mailbox's reader. */
export const mailboxFinishedSignal = defineSignal<[MailboxReport]>('mailboxFinished');
/** To `scanTenant`, from a slice of a mailbox: Graph wants it to be left alone for a while, so another may be read meanwhile. */
export const mailboxWaitsSignal = defineSignal<[MailboxWait]>('mailboxWaits');
/** To a `scanTenant` that waits for its turn: another scan has ended. */
export const turnFreedSignal = defineSignal('turnFreed');
/** To `scanTenant`: ask the store at once who still owes a report, instead of after a silence. */
export const reviewSignal = defineSignal('review');
/** To `scanTenant`: stand still until told to resume. Again, or on the way to its end, it changes nothing. */
export const pauseSignal = defineSignal('pause');
/** To `scanTenant`: go on, if paused. */
export const resumeSignal = defineSignal('resume');
/** To `syncMailbox`: read this mailbox for the scan that asks. */
export const readRequestedSignal = defineSignal<[ReadRequest]>('readRequested');
/** To `syncMailbox`: a scan no longer waits. */
export const readWithdrawnSignal = defineSignal<[{ readonly scanId: string }]>('readWithdrawn');
/** To `keepSession`, with its start: answers once the session runs or was turned down; `starting` where that takes long. */
export const sessionStartedUpdate = defineUpdate<SessionStart>('sessionStarted');
/** To `keepSession`: look at the subscriptions at once, for Graph has said something of them. */
export const sessionNudgedSignal = defineSignal('sessionNudged');
/** To `keepSession`: end. The reason is what people are shown; a second one changes nothing. */
export const stopSessionSignal = defineSignal<[{ readonly reason: string }]>('stopSession');
/** What is said of a destination with it. */
export interface Owed {
  /** As it is now. */
  readonly priority: Priority;
}
/** To `deliver`, with start: the destination is owed something that can be sent, or was changed. */
export const owedSignal = defineSignal<[Owed]>('owed');
/** To `syncContacts`, with start: run this sync, when those asked for before are through. */
export const syncAskedSignal = defineSignal<[{ readonly syncNo: number }]>('syncAsked');
/** To `syncContacts`, with start: sent mail has changed. What comes within a minute is one sync. */
export const contactsChangedSignal = defineSignal('contactsChanged');
