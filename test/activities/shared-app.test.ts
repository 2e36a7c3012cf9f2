import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, it } from 'vitest';
import { createConnectionActivities } from '../../activities/connection-activities.ts';
import { SHARED_APP } from '../../activities/shared-app.ts';
import type { Connection } from '../../model/connection.ts';
import { addCheck, endedCheck } from '../../store/connection-checks.ts';
import { organizationsSharing } from '../../store/connections.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { unique, useStore } from '../store/support.ts';

const store = useStore();

/** Connects an organization of its own, and answers what the check found and what was warned of. */
async function connect(connection: Connection) {
  const warned: object[] = [];
  const activities = createConnectionActivities({
    db: store.db,
    examine: () => Promise.resolve({ outcome: 'passed', findings: [] }),
    log: { info: () => undefined, warn: (fields) => void warned.push(fields) },
  });
  const { organizationId } = await ensureOrganization(store.db, unique('organization'));
  const checkNo = await addCheck(store.db, { organizationId, candidate: { connection } });
  await new MockActivityEnvironment().run(() => activities.examineConnection({ organizationId, checkNo }));
  return { organizationId, check: await endedCheck(store.db, checkNo), warned };
}

it('organizations that share an app registration for one tenant are warned of, and shown in the check', async () => {
  const connection: Connection = {
    tenantId: unique('tenant'),
    clientId: unique('Client'),
    cloud: 'global',
    credential: { kind: 'secret', clientSecret: 'a secret' },
  };
  const first = await connect(connection);
  expect(first).toMatchObject({ check: { outcome: 'passed', isActive: true, findings: [] }, warned: [] });
  const second = await connect({ ...connection, clientId: connection.clientId.toLowerCase() });
  expect(second.check).toMatchObject({ outcome: 'passed', isActive: true, findings: [SHARED_APP] });
  expect(second.warned).toEqual([{ organizationId: second.organizationId, sharedWith: [first.organizationId] }]);
  expect(await organizationsSharing(store.db, first.organizationId, connection)).toEqual([second.organizationId]);
  const others: Partial<Connection>[] = [
    { clientId: unique('client') },
    { tenantId: unique('tenant') },
    { cloud: 'china' },
  ];
  for (const other of others) expect((await connect({ ...connection, ...other })).warned).toEqual([]);
});
