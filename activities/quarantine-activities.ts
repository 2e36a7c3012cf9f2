import { setTimeout as delay } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { Database } from '../store/database.ts';
import { mailboxesToRetry } from '../store/quarantine-list.ts';
import { whileBeating } from './heartbeat.ts';

/** What `retryQuarantine` has done for it outside. */
export interface QuarantineActivities {
  /** Asks the readers of all mailboxes of which messages are to be tried again; returns how many. */
  wakeReaders(input: { organizationId: string }): Promise<{ readonly mailboxes: number }>;
}

export interface QuarantineActivitiesOptions {
  readonly db: Database;
  /** Has a mailbox read for nobody in particular: starts its reader, or signals the one that runs. */
  readonly wakeReader: (organizationId: string, mailboxId: string) => Promise<void>;
  /** Pause after each stretch of readers, ms. Default: 1,000. */
  readonly pauseMs?: number;
}

/** Readers asked between two pauses, so that thousands of them do not come down on Temporal and Graph at once. */
const STRETCH = 20;

/** Where waking goes on after an interruption. */
interface WakingProgress {
  readonly after: string;
  readonly mailboxes: number;
}

export function createQuarantineActivities(options: QuarantineActivitiesOptions): QuarantineActivities {
  const { db, wakeReader, pauseMs = 1000 } = options;
  return {
    wakeReaders: ({ organizationId }) =>
      whileBeating(async (beat: (progress: WakingProgress) => void, before) => {
        const { cancellationSignal: signal } = Context.current();
        let { after, mailboxes } = before ?? { after: '', mailboxes: 0 };
        for (;;) {
          const mailboxIds = await mailboxesToRetry(db, { organizationId, after, limit: STRETCH });
          await Promise.all(mailboxIds.map((mailboxId) => wakeReader(organizationId, mailboxId)));
          mailboxes += mailboxIds.length;
          after = mailboxIds.at(-1) ?? after;
          if (mailboxIds.length < STRETCH) return { mailboxes };
          beat({ after, mailboxes });
          await delay(pauseMs, undefined, { signal });
        }
      }),
  };
}
