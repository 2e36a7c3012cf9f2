import { randomUUID } from 'node:crypto';
import { Context, sleep } from '@temporalio/activity';
import type { ConnectionActivities } from '../../activities/connection-activities.ts';
import type { DeliverActivities } from '../../activities/deliver-activities.ts';
import type { FeedingActivities } from '../../activities/feeding-activities.ts';
import type { MailboxActivities, SliceResult } from '../../activities/mailbox-activities.ts';
import type { QuarantineActivities } from '../../activities/quarantine-activities.ts';
import type { ScanActivities } from '../../activities/scan-activities.ts';
import type { ScheduleActivities } from '../../activities/schedule-activities.ts';
import type { SessionActivities } from '../../activities/session-activities.ts';
import type { SubscriptionActivities } from '../../activities/subscription-activities.ts';
import type { SweepActivities } from '../../activities/sweep-activities.ts';
import type { UpkeepActivities } from '../../activities/upkeep-activities.ts';

/** A slice that read everything there was. */
export const DONE: SliceResult = { done: true, outcome: 'completed', messages: 1 };

/** Activities as tests play them; those of the smaller workflows only where a test needs them. */
export type PlayedActivities = ScanActivities &
  MailboxActivities &
  Partial<
    ConnectionActivities &
      DeliverActivities &
      FeedingActivities &
      QuarantineActivities &
      ScheduleActivities &
      SessionActivities &
      SubscriptionActivities &
      SweepActivities &
      UpkeepActivities
  >;

/** A tenant in memory, with which the activities can be played. */
export class Tenant {
  readonly mailboxes: readonly string[];
  readonly reads: string[] = [];
  readonly ends: { scanNo: number; end: string; message?: string }[] = [];
  readonly finished = new Set<string>();
  running = new Map<string, number>();
  peakReadsOfOneMailbox = 0;
  mayRun = true;
  /** What the store was told of how scans stand, in order. */
  readonly steps: { what: 'pause' | 'resume' | 'reopen'; step: number }[] = [];

  constructor(count: number) {
    this.mailboxes = Array.from({ length: count }, () => randomUUID());
  }

  activities(over: Partial<PlayedActivities> = {}): PlayedActivities {
    return {
      checkCredential: async () => ({ status: 'accepted' }),
      takeTurn: async () => (this.mayRun ? 'running' : 'pending'),
      pauseScan: async ({ step }) => {
        this.steps.push({ what: 'pause', step });
        return { waiting: [] };
      },
      resumeScan: async ({ step }) => void this.steps.push({ what: 'resume', step }),
      reopenScan: async ({ step }) => {
        this.steps.push({ what: 'reopen', step });
        return { discovered: true };
      },
      discoverMailboxes: async () => ({ mailboxes: this.mailboxes.length }),
      nextMailboxes: async ({ after, limit }) => {
        const waiting = this.mailboxes.flatMap((id, index) =>
          index >= after && !this.finished.has(id) ? { id, position: index + 1 } : [],
        );
        const stretch = waiting.slice(0, limit);
        return { mailboxIds: stretch.map(({ id }) => id), after: stretch.at(-1)?.position ?? after };
      },
      unfinishedMailboxes: async ({ mailboxIds }) => mailboxIds.filter((id) => !this.finished.has(id)),
      recordFailedMailbox: async ({ mailboxId }) => void this.finished.add(mailboxId),
      finishScan: async ({ scanNo, end, message }) => {
        this.ends.push({ scanNo, end, ...(message !== undefined && { message }) });
        return { status: end === 'ran' ? 'completed' : end, waiting: [] };
      },
      readMailbox: async ({ mailboxId }) => {
        const result = await this.reading(mailboxId, async () => DONE);
        this.finished.add(mailboxId);
        return result;
      },
      ...over,
    };
  }

  /** Plays a read and watches that a mailbox never has two at once. */
  async reading(mailboxId: string, read: () => Promise<SliceResult>): Promise<SliceResult> {
    const now = (this.running.get(mailboxId) ?? 0) + 1;
    this.peakReadsOfOneMailbox = Math.max(this.peakReadsOfOneMailbox, now);
    this.running.set(mailboxId, now);
    this.reads.push(mailboxId);
    try {
      return await read();
    } finally {
      this.running.set(mailboxId, (this.running.get(mailboxId) ?? 1) - 1);
    }
  }
}

/** Waits within an activity until the condition holds or the activity is cancelled; heartbeats as the real one does. */
export async function heartbeatUntil(condition: () => boolean): Promise<void> {
  for (; !condition(); await sleep(20)) Context.current().heartbeat();
}

/** Waits within an activity until it is cancelled. */
export async function untilCancelled(): Promise<never> {
  await heartbeatUntil(() => false);
  throw new Error('It was never cancelled');
}
