import { randomBytes } from 'node:crypto';
import { POLL } from '../model/ids.ts';
import type { ScanFilters } from '../model/scan.ts';
import { recordPoll } from '../store/session-details.ts';
import { openSession } from '../store/sessions.ts';
import { foundOrganization } from './environment-destinations.ts';
import type { ApiParts } from './parts.ts';
import type { Caller } from './route.ts';
import type { ScanConfig } from './schemas/scan-start.ts';
import { candidateFor } from './start-session.ts';
import { startScan, type StartedScan } from './start-scan.ts';

/**
 * One delta round of an organization's mailboxes: an incremental scan with the filters of its session, which sees what
 * the scan finds.
 * @throws {HttpError} as `startScan`; 422 where nobody has said how to sign in
 */
export async function pollNow(
  parts: ApiParts,
  organizationId: string,
  caller: Caller,
): Promise<StartedScan & { readonly scanId: string }> {
  const { db } = parts;
  await foundOrganization(parts, organizationId);
  await candidateFor(parts, organizationId);
  const session = await openSession(db, organizationId);
  const filters = session ? toConfig(session.filters) : { folders: ['inbox'] };
  const scanId = pollId(new Date());
  const started = await startScan(
    parts,
    { organizationId, scanId, type: ['email'], mode: 'incremental', filters },
    caller,
  );
  await recordPoll(db, organizationId);
  return { ...started, scanId };
}

/** `poll-20261121T093000Z-7f3a`: two polls of one second have different names. */
const pollId = (now: Date): string =>
  `${POLL}${now.toISOString().replace(/[-:]|\.\d+/g, '')}-${randomBytes(2).toString('hex')}`;

function toConfig({ folders, mailboxes, since, until, content }: ScanFilters): ScanConfig['filters'] {
  const { include, exclude } = mailboxes ?? {};
  return {
    folders: [...folders],
    ...(mailboxes && {
      mailboxes: { ...(include && { include: [...include] }), ...(exclude && { exclude: [...exclude] }) },
    }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
    ...(content !== undefined && { content }),
  };
}
