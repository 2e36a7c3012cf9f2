import { ScheduleAlreadyRunning, ScheduleNotFoundError, type Client, type ScheduleHandle } from '@temporalio/client';
import pLimit from 'p-limit';
import { contactsWorkflowId, scheduleWorkflowId, sweepWorkflowId } from '../model/ids.ts';
import type { ScheduleOverlap, ScheduleSettings } from '../model/schedule.ts';
import type { startScheduledScan } from '../workflows/scheduled-scan.ts';
import { organizationIdKey } from '../workflows/search-attributes.ts';
import { badRequest } from './errors.ts';
import { fromTemporal, policyOf, toTemporal } from './schedule-form.ts';
import { sealsOf, type ScheduleSeals } from './schedule-seals.ts';

/** Which schedule. */
export interface ScheduleName {
  readonly organizationId: string;
  readonly scheduleId: string;
}

/** A schedule as Temporal has it. */
export interface ScanSchedule extends ScheduleName, ScheduleSettings {
  readonly paused: boolean;
  readonly note: string | null;
  readonly createdAt: string;
  readonly changedAt: string | null;
  readonly nextAt: readonly string[];
  /** Scans. */
  readonly running: readonly string[];
  /** Oldest first. */
  readonly recent: readonly { readonly scanId: string; readonly due: string; readonly startedAt: string }[];
  readonly started: number;
  readonly skipped: number;
  readonly missed: number;
}

/** The Schedules of scans: Temporal keeps them, the store knows nothing of them. Every call has a deadline. */
export interface ScanSchedules {
  /**
   * False where the organization has one of that id.
   * @throws {HttpError} 400 for times that Temporal does not understand
   */
  create(name: ScheduleName, settings: ScheduleSettings, paused: boolean): Promise<boolean>;
  /** Undefined where there is none. */
  describe(name: ScheduleName): Promise<ScanSchedule | undefined>;
  /** Those of the organizations given. Temporal lists a new one after a moment. */
  list(organizationIds: readonly string[]): Promise<ScanSchedule[]>;
  /**
   * False where there is none; the same holds for those that follow.
   * @throws {HttpError} as `create`
   */
  change(name: ScheduleName, settings: (now: ScanSchedule) => ScheduleSettings): Promise<boolean>;
  pause(name: ScheduleName, note: string): Promise<boolean>;
  resume(name: ScheduleName, note: string): Promise<boolean>;
  /** Starts a scan now. */
  trigger(name: ScheduleName, overlap: ScheduleOverlap): Promise<boolean>;
  /** Starts the scans that were due in that time. */
  backfill(
    name: ScheduleName,
    time: { readonly from: string; readonly to: string; readonly overlap: ScheduleOverlap },
  ): Promise<boolean>;
  /** What it has started goes on. */
  remove(name: ScheduleName): Promise<boolean>;
  /**
   * Has what Temporal keeps for the Schedules of those organizations, those of sweeps and contacts included, sealed under the newest key.
   * @param opens whether the ring has that key
   */
  reseal(organizationIds: readonly string[], opens: (keyId: string) => boolean): Promise<number>;
  /** Under which keys Temporal keeps what those Schedules have sealed. */
  seals(organizationIds: readonly string[]): Promise<ScheduleSeals[]>;
}

const CALL_MS = 5_000;
const MANY_MS = 30_000;
const AT_ONCE = 10;

export function createScanSchedules(
  client: Client,
  { orchestrationQueue: taskQueue }: { readonly orchestrationQueue: string },
): ScanSchedules {
  const soon = <T>(call: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + CALL_MS, call);
  const handleOf = (name: ScheduleName): ScheduleHandle =>
    client.schedule.getHandle(scheduleWorkflowId(name.organizationId, name.scheduleId));
  const onOne = (name: ScheduleName, call: (handle: ScheduleHandle) => Promise<void>): Promise<boolean> =>
    orElse(false, () => soon(() => call(handleOf(name))).then(() => true));
  const described = (handle: ScheduleHandle): Promise<ScanSchedule | undefined> =>
    orElse(undefined, async () => fromTemporal(await handle.describe()));
  /** Does it with every Schedule that is wanted; others may belong to another installation, and be sealed under its keys. */
  async function eachOf<T>(
    wanted: (scheduleId: string) => boolean,
    query: string | undefined,
    call: (handle: ScheduleHandle) => Promise<T>,
  ): Promise<T[]> {
    const limit = pLimit(AT_ONCE);
    const calls: Promise<T>[] = [];
    for await (const { scheduleId } of client.schedule.list(query === undefined ? {} : { query })) {
      if (wanted(scheduleId)) calls.push(limit(() => call(client.schedule.getHandle(scheduleId))));
    }
    return Promise.all(calls);
  }
  return {
    create: (name, settings, paused) =>
      soon(() =>
        understood(async () => {
          const scheduleId = scheduleWorkflowId(name.organizationId, name.scheduleId);
          const typedSearchAttributes = [{ key: organizationIdKey, value: name.organizationId }];
          try {
            await client.schedule.create<typeof startScheduledScan>({
              scheduleId,
              typedSearchAttributes,
              ...toTemporal(name, settings, taskQueue),
              state: { paused },
            });
            return true;
          } catch (error) {
            if (error instanceof ScheduleAlreadyRunning) return false;
            throw error;
          }
        }),
      ),
    describe: (name) => soon(() => described(handleOf(name))),
    list: (organizationIds) =>
      client.withDeadline(Date.now() + MANY_MS, async () => {
        const [only, another] = organizationIds;
        const one = only !== undefined && another === undefined;
        const query = one ? `${organizationIdKey.name} = '${only}'` : undefined;
        const found = await eachOf(isScheduleOf(organizationIds), query, described);
        return found.filter((schedule) => schedule !== undefined).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
      }),
    change: (name, settings) =>
      understood(() =>
        onOne(name, (handle) =>
          handle.update<typeof startScheduledScan>((now) => ({
            ...toTemporal(name, settings(fromTemporal(now)), taskQueue),
            state: now.state,
          })),
        ),
      ),
    pause: (name, note) => onOne(name, (handle) => handle.pause(note)),
    resume: (name, note) => onOne(name, (handle) => handle.unpause(note)),
    trigger: (name, overlap) => onOne(name, (handle) => handle.trigger(policyOf(overlap))),
    backfill: (name, { from, to, overlap }) =>
      onOne(name, (handle) =>
        handle.backfill({ start: new Date(from), end: new Date(to), overlap: policyOf(overlap) }),
      ),
    remove: (name) => onOne(name, (handle) => handle.delete()),
    reseal: (organizationIds, opens) =>
      client.withDeadline(Date.now() + MANY_MS, async () => {
        const resealed = await eachOf(isOf(organizationIds), undefined, (handle) =>
          orElse(false, async () => {
            // One that no key of the ring opens stays as it is, as credentials do: `seals` tells of it.
            const seals = await sealsOf(client, handle.scheduleId);
            if (seals?.keyIds.some((keyId) => !opens(keyId))) return false;
            await handle.update(({ spec, action, policies, state }) => ({ spec, action, policies, state }));
            return true;
          }),
        );
        return resealed.filter(Boolean).length;
      }),
    seals: (organizationIds) =>
      client.withDeadline(Date.now() + MANY_MS, async () => {
        const seals = await eachOf(isOf(organizationIds), undefined, ({ scheduleId }) => sealsOf(client, scheduleId));
        return seals.filter((each) => each !== undefined);
      }),
  };
}

/** A Schedule of one of them, that of the sweep and that of the contacts included. */
function isOf(organizationIds: readonly string[]): (scheduleId: string) => boolean {
  const isSchedule = isScheduleOf(organizationIds);
  const others = new Set(organizationIds.flatMap((id) => [sweepWorkflowId(id), contactsWorkflowId(id)]));
  return (scheduleId) => others.has(scheduleId) || isSchedule(scheduleId);
}

/** `schedule/{organizationId}/…` of one of them. */
function isScheduleOf(organizationIds: readonly string[]): (scheduleId: string) => boolean {
  const beginnings = new Set(organizationIds.map((organizationId) => scheduleWorkflowId(organizationId, '')));
  return (scheduleId) => beginnings.has(scheduleId.slice(0, scheduleId.lastIndexOf('/') + 1));
}

const keyOf = ({ organizationId, scheduleId }: ScheduleName): string => `${organizationId}/${scheduleId}`;

/** `missing` where Temporal knows no such Schedule. */
async function orElse<T>(missing: T, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return missing;
    throw error;
  }
}

/** Times that only Temporal can judge: its client turns down with a `TypeError` what the server does not understand. */
async function understood<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw badRequest([{ path: 'cron', message: `is not understood: ${error.message.slice(0, 200)}` }]);
  }
}
