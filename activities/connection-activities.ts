import { Context } from '@temporalio/activity';
import type { ExaminationRequest } from '../graph/doctor.ts';
import type { CheckOutcome, CheckReport } from '../model/connection-check.ts';
import type { Connection } from '../model/connection.ts';
import { endCheck, openCheck } from '../store/connection-checks.ts';
import { noteExpiry } from '../store/connection-list.ts';
import { organizationsSharing } from '../store/connections.ts';
import type { Database } from '../store/database.ts';
import { whileBeating } from './heartbeat.ts';
import { SHARED_APP, warnOfSharing } from './shared-app.ts';

/** What `checkConnection` has done for it outside. */
export interface ConnectionActivities {
  /**
   * Tries everything that a scan needs of a connection, and records what it found. A candidate that works replaces the
   * stored connection.
   */
  examineConnection(input: { organizationId: string; checkNo: number }): Promise<{ readonly outcome: CheckOutcome }>;
}

export interface ConnectionActivitiesOptions {
  readonly db: Database;
  readonly examine: (connection: Connection, request: ExaminationRequest, signal: AbortSignal) => Promise<CheckReport>;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

export function createConnectionActivities({ db, examine, log }: ConnectionActivitiesOptions): ConnectionActivities {
  return {
    examineConnection: ({ organizationId, checkNo }) =>
      whileBeating(async () => {
        const { connection, isCandidate, secretExpiresAt, mailbox } = await openCheck(db, checkNo);
        const request = { secretExpiresAt, ...(mailbox !== null && { mailbox }) };
        const report = await examine(connection, request, Context.current().cancellationSignal);
        const { outcome, expiresAt } = report;
        const sharedWith = await organizationsSharing(db, organizationId, connection);
        const findings = sharedWith.length > 0 ? [...report.findings, SHARED_APP] : report.findings;
        await endCheck(db, checkNo, { ...report, findings });
        const works = outcome === 'passed' || outcome === 'warning';
        if (isCandidate && works) warnOfSharing(log, organizationId, sharedWith);
        if (!isCandidate && expiresAt !== undefined) await noteExpiry(db, organizationId, expiresAt);
        const wrong = findings.filter(({ status }) => status === 'failed').map(({ name, code }) => `${name} (${code})`);
        const facts = { organizationId, checkNo, isCandidate, outcome, ...(wrong.length > 0 && { wrong }) };
        if (wrong.length > 0) log.warn(facts, 'Credential validation failed');
        else log.info(facts, 'Connection checked');
        return { outcome };
      }),
  };
}
