import type { z } from 'zod';
import type { KeyRing } from '../config/key-ring.ts';
import { KEY_ID } from '../model/sealing.ts';
import type { Database } from '../store/database.ts';
import { listOrganizations } from '../store/organizations.ts';
import { retiredKeys } from '../store/retired-keys.ts';
import { credentialsByKey } from '../store/sealed-credentials.ts';
import type { ScanSchedules } from './scan-schedules.ts';
import { needsKey } from './schedule-seals.ts';
import type { KeyReport } from './schemas/key-ring.ts';
import type { CountBegunBy, WorkflowCounts } from './workflow-counts.ts';

export type KeyReportAnswer = z.output<typeof KeyReport>;

/** Something may be under way that was sealed just before a key retired. */
const MARGIN_MS = 60_000;

export interface KeyRingReportParts {
  readonly db: Database;
  readonly countBegunBy: CountBegunBy;
  readonly schedules: Pick<ScanSchedules, 'seals'>;
}

/** Every key of the ring, newest first, and every other that something stored is sealed under: who needs it still. */
export async function reportKeys(parts: KeyRingReportParts, ring: KeyRing): Promise<KeyReportAnswer[]> {
  const { db, countBegunBy } = parts;
  const organizationIds = (await listOrganizations(db)).map(({ organizationId }) => organizationId);
  const [credentials, retired, seals] = await Promise.all([
    credentialsByKey(db),
    retiredKeys(db),
    parts.schedules.seals(organizationIds),
  ]);
  const used = new Set([...credentials.keys(), ...seals.flatMap(({ keyIds }) => keyIds)]);
  const missing = [...used].filter((keyId) => !ring.keyIds.includes(keyId)).sort();
  return Promise.all(
    [...ring.keyIds, ...missing].map(async (keyId) => {
      const retiredAt = keyId === ring.currentKeyId ? null : (retired.get(keyId) ?? null);
      const until = retiredAt === null ? undefined : new Date(Date.parse(retiredAt) + MARGIN_MS).toISOString();
      const workflows = until === undefined ? undefined : await countBegunBy(until);
      const use = missing.includes(keyId) ? 'missing' : keyId === ring.currentKeyId ? 'seals' : 'opens';
      const schedules = seals.filter((each) => needsKey(each, keyId, until)).length;
      return describeKey({ keyId, use, retiredAt, workflows, schedules, credentials: credentials.get(keyId) ?? 0 });
    }),
  );
}

interface KeyFacts {
  readonly keyId: string;
  readonly use: KeyReportAnswer['use'];
  readonly credentials: number;
  readonly schedules: number;
  readonly retiredAt: string | null;
  /** Undefined where nobody knows since when the key seals no more. */
  readonly workflows: WorkflowCounts | undefined;
}

/** What is told about a key, with a word on what to do about it. */
export function describeKey(key: KeyFacts): KeyReportAnswer {
  const { keyId: id, use, credentials, schedules, retiredAt, workflows } = key;
  const keyId = KEY_ID.test(id) ? id : '(no valid name)';
  const { running = null, ended = null } = workflows ?? {};
  const mayBeDropped = use === 'opens' && credentials === 0 && schedules === 0 && running === 0 && ended === 0;
  const counts = { credentials, schedules, runningWorkflows: running, endedWorkflows: ended };
  const facts = { keyId, use, ...counts, retiredAt, mayBeDropped };
  return { ...facts, advice: adviceFor(facts) };
}

function adviceFor(key: Omit<KeyReportAnswer, 'advice'>): string {
  const { use, credentials, schedules, runningWorkflows: running, endedWorkflows: ended, mayBeDropped } = key;
  if (use === 'seals') return 'Seals everything from now on.';
  if (use === 'missing') {
    return 'Is not in the ring: put it back, or replace the credentials and schedules that it has sealed.';
  }
  if (mayBeDropped) return 'Nothing needs it: it may be dropped.';
  if (running === null) return 'Has never been retired by `outhaul keys rotate`: run that before you drop it.';
  if (credentials > 0) return 'Credentials need it: run `outhaul keys rotate --reseal-only`.';
  if (running > 0) return 'Workflows that began before it was retired need it: wait until they have ended.';
  if (schedules > 0) {
    return 'Schedules need it until they have run once more since it was retired: wait, or trigger them.';
  }
  return `Nothing that runs needs it. Without it, ${ended} ended workflows cannot be shown any more.`;
}
