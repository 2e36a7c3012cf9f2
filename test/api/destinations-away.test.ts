import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withDefaults } from '../../model/destination.ts';
import { createDestination, pauseDestination, type Destination } from '../../store/destinations.ts';
import { organizationOf } from '../../store/organizations.ts';
import { seedScan } from './support/seed.ts';
import { listOf, openApiStage, type ApiStage } from './support/stage.ts';
import { openWires, type Wires } from './support/wire.ts';

const PATH = '/api/v1/destinations';
const AWAY = { status: 503, body: { message: 'Temporal is out of reach: try again' } };

describe('destinations, while Temporal hangs', () => {
  let stage: ApiStage;
  let wires: Wires;
  let destination: Destination;
  beforeAll(async () => {
    wires = await openWires();
    stage = await openApiStage({ wires });
    const organizationId = stage.organization();
    await seedScan(stage.db, { organizationId, scanId: 'seeded', mailboxes: 1, messages: 2 });
    const organization = await organizationOf(stage.db, organizationId);
    destination = await createDestination(stage.db, organization, {
      ...{ name: 'utility', starts: 'now', kind: 'utility' },
      settings: withDefaults('utility', { endpoint: 'https://93.184.215.14' }),
    });
    await pauseDestination(stage.db, destination);
    await stage.db.pool.query(
      `INSERT INTO outhaul.deliveries (destination_no, organization_id, mailbox_no, email_no, ordered, status, priority,
          cause, dead_at)
        SELECT $1, $2, _mailbox_no, _no, false, 'dead', 1, 'rejected', now() FROM ${organization.schema}.emails`,
      [destination.destinationNo, organizationId],
    );
    wires.temporal.cut();
  });
  afterAll(async () => {
    wires?.mend();
    await stage?.close();
    wires?.close();
  });

  const show = async () => (await stage.call('GET', `${PATH}/${destination.id}`)).body['destination'];

  it('none is made, and a replay has to be asked for again', async () => {
    const body = { name: 'another', kind: 'utility', settings: { endpoint: 'https://93.184.215.14' } };
    expect(await stage.call('POST', PATH, { body })).toMatchObject(AWAY);
    expect(listOf((await stage.call('GET', PATH)).body['destinations'])).toHaveLength(1);
    const replay = await stage.call('POST', `${PATH}/${destination.id}/replay`, { body: { since: '2026-01-01' } });
    expect(replay).toMatchObject(AWAY);
  });

  it('what is owed is answered, and one may be changed and paused', async () => {
    expect(await show()).toMatchObject({ status: 'paused', dead: 2 });
    const changed = await stage.call('PATCH', `${PATH}/${destination.id}`, { body: { settings: { attempts: 5 } } });
    expect(changed.status).toBe(200);
    expect((await stage.call('POST', `${PATH}/${destination.id}/pause`)).status).toBe(200);
  });

  it('what is resumed or retried is so in the store, where upkeep finds it', async () => {
    expect((await stage.call('POST', `${PATH}/${destination.id}/resume`)).status).toBe(200);
    expect(await show()).toMatchObject({ status: 'active' });
    const retried = await stage.call('POST', '/api/v1/dead-letters/retry', { body: { all: true } });
    expect(retried).toMatchObject({ status: 202, body: { letters: 2, destinations: 1 } });
    expect(await show()).toMatchObject({ owed: 2, dead: 0 });
  });
});
