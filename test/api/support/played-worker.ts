import { randomUUID } from 'node:crypto';
import type { MailboxActivities } from '../../../activities/mailbox-activities.ts';
import { createScanActivities, type ScanActivities } from '../../../activities/scan-activities.ts';
import { GraphConnections } from '../../../activities/graph-connections.ts';
import { loadConnection, promoteCandidate } from '../../../store/connections.ts';
import type { Database } from '../../../store/database.ts';
import { organizationOf } from '../../../store/organizations.ts';
import { discardScan } from '../../../store/scan-end.ts';
import { finishMailbox, recordUsers, startMailbox } from '../../../store/scan-mailboxes.ts';
import { untilCancelled } from '../../support/tenant.ts';

/** What Entra is played to say of a secret: it depends on how the secret begins. */
export const SECRETS = {
  accepted: 'accepted-secret-0123456789',
  refused: 'refused-secret-0123456789',
  unreachable: 'unreachable-secret-0123456789',
} as const;

export interface Play {
  readonly mailboxes?: number;
  /** Whether reads go on until they are cancelled. */
  readonly endless?: () => boolean;
}

/** The scan activities over the real store, with Microsoft played: nothing is read, every mailbox is done at once. */
export function playedActivities(db: Database, { mailboxes = 2, endless = () => false }: Play = {}) {
  const connections = new GraphConnections(
    () => Promise.resolve(undefined),
    () => {
      throw new Error('Graph is played');
    },
  );
  const log = { info: () => undefined, warn: () => undefined };
  const activities: ScanActivities & MailboxActivities = {
    ...createScanActivities({ db, connections, maxConcurrentScans: 1, log }),
    async checkCredential({ scanNo }) {
      const credential = (await loadConnection(db, scanNo))?.credential;
      const secret = credential?.kind === 'secret' ? credential.clientSecret : '';
      for (const status of ['refused', 'unreachable'] as const) {
        if (secret !== SECRETS[status]) continue;
        await discardScan(db, scanNo);
        return { status, reason: `played: ${status}` };
      }
      await promoteCandidate(db, scanNo);
      return { status: 'accepted' };
    },
    async discoverMailboxes({ organizationId, scanNo }) {
      const organization = await organizationOf(db, organizationId);
      const users = Array.from({ length: mailboxes }, () => ({ user: { id: randomUUID(), ...NOBODY } }));
      await recordUsers(db, organization, { scanNo, tenantId: 'contoso.example', users });
      return { mailboxes };
    },
    async readMailbox({ mailboxId, scanNos }) {
      await startMailbox(db, { scanNos, mailboxId });
      if (endless()) await untilCancelled();
      await finishMailbox(db, { scanNos, mailboxId, outcome: 'completed' });
      return { done: true, outcome: 'completed', messages: 0 };
    },
  };
  return activities;
}

const NOBODY = { displayName: null, mail: null, userPrincipalName: null, userType: 'Member', accountEnabled: true };
