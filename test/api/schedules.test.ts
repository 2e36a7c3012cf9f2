import { ScheduleNotFoundError } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { scheduleWorkflowId } from '../../model/ids.ts';
import { query } from '../../store/database.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { listOf, textOf, type Body } from './support/stage.ts';
import { openTenantStage, type TenantStage } from './support/tenant-stage.ts';

const LONG = { timeout: 60_000, interval: 100 };
const PATH = '/api/v1/schedules';

describe('schedules, over the API, with the real worker and the simulator', () => {
  let stage: TenantStage;
  let organizationId: string;
  let key: string;
  const made = new Set<string>();
  beforeAll(async () => {
    stage = await openTenantStage({ mailboxes: 2, messagesPerMailbox: 5, folders: 1 });
  });
  beforeEach(async () => {
    organizationId = stage.organization('scheduled');
    key = await stage.keyOf(organizationId);
    const connected = await ask('POST', '/api/v1/connections', { auth: stage.auth });
    expect(connected.status).toBe(201);
  });
  afterEach(async () => {
    await stage.heal();
    for (const id of made) await ask('DELETE', `${PATH}/${id}`);
    made.clear();
  });
  afterAll(() => stage?.close());

  const ask = (method: string, path: string, body?: object) => stage.call(method, path, { key, body });
  const make = async (scheduleId: string, more: object = { intervalSeconds: 86_400 }) => {
    made.add(scheduleId);
    return ask('POST', PATH, { scheduleId, ...more });
  };
  const shown = async (id: string): Promise<Body> => (await ask('GET', `${PATH}/${id}`)).body['schedule']!;
  /** The scans that a schedule has started, once they are so many. */
  const started = (id: string, count: number): Promise<string[]> =>
    vi.waitFor(async () => {
      const scans = listOf((await shown(id))['recent']).map((run) => textOf(run['scanId']));
      expect(scans).toHaveLength(count);
      return scans;
    }, LONG);
  const completed = (scanId: string, more: object = {}) =>
    vi.waitFor(async () => {
      const { body } = await ask('GET', `/api/v1/scan/${scanId}/status`);
      expect(body).toMatchObject({ status: 'completed', ...more });
    }, LONG);

  it('is made with the defaults, shown as it was asked for, listed, and not made twice', async () => {
    const { status, body } = await make('nightly', { cron: '0 2 * * *', timeZone: 'Europe/Berlin' });
    expect(status).toBe(201);
    expect(body['schedule']).toMatchObject({
      scheduleId: 'nightly',
      organizationId,
      mode: 'incremental',
      filters: { folders: ['inbox'] },
      cron: '0 2 * * *',
      intervalSeconds: null,
      timeZone: 'Europe/Berlin',
      ...{ overlap: 'skip', catchUpSeconds: 3600, jitterSeconds: 60 },
      ...{ paused: false, note: null, changedAt: null, running: [], recent: [], started: 0, skipped: 0, missed: 0 },
    });
    expect(listOf(body['schedule']?.['nextAt'])).toHaveLength(5);
    expect((await make('nightly')).status).toBe(409);
    await vi.waitFor(async () => {
      const listed = (await ask('GET', PATH)).body['schedules'];
      expect(listOf(listed).map((one) => textOf(one['scheduleId']))).toEqual(['nightly']);
    }, LONG);
  });

  it('is changed in what is named, and only in that', async () => {
    await make('changed', { cron: '@daily', mode: 'full', filters: { folders: ['all'] } });
    const change = async (body: object) => (await ask('PATCH', `${PATH}/changed`, body)).body['schedule'];
    const filters = { folders: ['all'] };
    expect(await change({ timeZone: 'Asia/Tokyo' })).toMatchObject({ cron: '@daily', timeZone: 'Asia/Tokyo', filters });
    expect(await change({ intervalSeconds: 3600, overlap: 'buffer_one' })).toMatchObject({
      ...{ cron: null, timeZone: null, intervalSeconds: 3600, overlap: 'buffer_one', mode: 'full' },
    });
    expect(await ask('PATCH', `${PATH}/changed`, { timeZone: 'UTC' })).toMatchObject({
      status: 400,
      body: { message: 'timeZone: goes with cron: this schedule has an interval' },
    });
    expect(
      await change({ cron: '15 4 * * 1', mode: 'incremental', jitterSeconds: 0, catchUpSeconds: 60 }),
    ).toMatchObject({
      cron: '15 4 * * 1',
      timeZone: 'UTC',
      mode: 'incremental',
      jitterSeconds: 0,
      catchUpSeconds: 60,
      filters,
    });
  });

  it('is paused with a note, and resumed', async () => {
    await make('paused');
    expect((await ask('POST', `${PATH}/paused/pause`, { note: 'maintenance' })).body['schedule']).toMatchObject({
      paused: true,
      note: 'maintenance',
    });
    expect((await ask('POST', `${PATH}/paused/resume`)).body['schedule']).toMatchObject({ paused: false });
  });

  it('starts a scan when it is triggered, which reads the mail, and no second one beside it', async () => {
    await make('by-hand', { intervalSeconds: 86_400, mode: 'full' });
    const hold = stage.simulator.control.hold({ kind: 'messagesDelta' });
    expect((await ask('POST', `${PATH}/by-hand/trigger`)).status).toBe(202);
    await hold.reached();
    const [scanId = ''] = await started('by-hand', 1);
    expect(scanId).toMatch(/^by-hand-\d{8}T\d{6}Z$/);
    await vi.waitFor(async () => expect((await shown('by-hand'))['running']).toEqual([scanId]), LONG);
    expect(await ask('POST', `${PATH}/by-hand/trigger`)).toMatchObject({
      status: 409,
      body: { message: `Scan ${scanId} of schedule by-hand still runs` },
    });
    hold.release();
    await completed(scanId, { mode: 'full', mailboxes: { completed: 2 } });
    await vi.waitFor(async () => expect((await shown('by-hand'))['running']).toEqual([]), LONG);
    expect((await ask('POST', `${PATH}/by-hand/trigger`)).status).toBe(202);
    await started('by-hand', 2);
  });

  it('with buffer_one starts one scan when the one before has ended, for all that were due meanwhile', async () => {
    await make('buffered', { intervalSeconds: 86_400, overlap: 'buffer_one' });
    const hold = stage.simulator.control.hold({ kind: 'messagesDelta' });
    expect((await ask('POST', `${PATH}/buffered/trigger`)).status).toBe(202);
    await hold.reached();
    const [first = ''] = await started('buffered', 1);
    // Scans are called after the second in which they were due.
    const called = () => `buffered-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}`;
    await vi.waitUntil(() => called() > first, LONG);
    for (const _again of [1, 2]) expect((await ask('POST', `${PATH}/buffered/trigger`)).status).toBe(202);
    await vi.waitFor(async () => expect(await shown('buffered')).toMatchObject({ running: [first], skipped: 1 }), LONG);
    hold.release();
    const scans = await started('buffered', 2);
    for (const scanId of scans) await completed(scanId);
    await vi.waitFor(async () => {
      expect(await shown('buffered')).toMatchObject({ running: [], started: 2, skipped: 1 });
    }, LONG);
  });

  it('makes up for what was due in a time, one after the other, and not twice', async () => {
    await make('missed', { intervalSeconds: 3600, jitterSeconds: 0 });
    const time = { from: '2026-01-01T00:30:00Z', to: '2026-01-01T02:30:00Z' };
    expect((await ask('POST', `${PATH}/missed/backfill`, time)).status).toBe(202);
    const scans = await started('missed', 2);
    expect(scans).toEqual(['missed-20260101T010000Z', 'missed-20260101T020000Z']);
    for (const scanId of scans) await completed(scanId, { mode: 'incremental' });
  });

  it('does not outlive its organization: when it is next due it takes itself away', async () => {
    const gone = stage.organization('deleted');
    const body = { organizationId: gone, auth: stage.auth };
    const connected = await stage.call('POST', '/api/v1/connections', { body });
    expect(connected.status).toBe(201);
    const own = await stage.keyOf(gone);
    const schedule = { scheduleId: 'orphan', intervalSeconds: 86_400 };
    expect((await stage.call('POST', PATH, { key: own, body: schedule })).status).toBe(201);
    for (const table of ['api_keys', 'connection_checks', 'connections', 'audit_log', 'organizations']) {
      await query(stage.db, { text: `DELETE FROM outhaul.${table} WHERE organization_id = $1`, values: [gone] });
    }
    const handle = stage.temporal.schedule.getHandle(scheduleWorkflowId(gone, 'orphan'));
    await handle.trigger();
    // A pause that meets its trigger before Temporal has acted on it takes the trigger back.
    const isTold = (line: string) => line.includes(gone) && line.includes('its organization is gone');
    await vi.waitUntil(() => stage.worker.lines.some(isTold), LONG);
    // A deleted schedule can still be described, but not be changed.
    await vi.waitFor(() => expect(handle.pause()).rejects.toBeInstanceOf(ScheduleNotFoundError), LONG);
  });

  it('pauses itself with a note where its organization has no connection any more', async () => {
    const other = stage.organization('unconnected');
    const call = { key: await stage.keyOf(other) };
    const connection = await stage.call('POST', '/api/v1/connections', { ...call, body: { auth: stage.auth } });
    const body = { scheduleId: 'lonely', intervalSeconds: 86_400 };
    expect((await stage.call('POST', PATH, { ...call, body })).status).toBe(201);
    const id = textOf(connection.body['connection']?.['id']);
    expect((await stage.call('DELETE', `/api/v1/connections/${id}`, call)).status).toBe(200);
    await stage.call('POST', `${PATH}/lonely/trigger`, call);
    await vi.waitFor(async () => {
      const { body } = await stage.call('GET', `${PATH}/lonely`, call);
      const note = 'The organization has no connection: make one, then resume the schedule';
      expect(body['schedule']).toMatchObject({ paused: true, note });
    }, LONG);
    expect((await stage.call('DELETE', `${PATH}/lonely`, call)).status).toBe(200);
    expect((await stage.call('POST', PATH, { ...call, body })).status).toBe(409);
  });

  it('is sealed anew when keys are rotated, and stays as it is', async () => {
    await make('sealed', { cron: '30 4 1 * *', timeZone: 'Europe/Berlin', filters: { folders: ['inbox', 'sent'] } });
    // The rotation goes by the list, in which Temporal shows a schedule a moment after it was made.
    const listed = async (): Promise<string[]> =>
      listOf((await ask('GET', PATH)).body['schedules']).map((one) => textOf(one['scheduleId']));
    await vi.waitFor(async () => expect(await listed()).toContain('sealed'), LONG);
    const before = await shown('sealed');
    expect((await stage.call('POST', '/api/v1/maintenance/rotate-keys')).status).toBe(200);
    const after = await shown('sealed');
    expect(after['changedAt']).not.toBeNull();
    expect({ ...after, changedAt: null }).toEqual(before);
  });

  it('is removed, and another organization never sees it', async () => {
    await make('mine');
    const other = stage.organization('foreign');
    const call = { key: await stage.keyOf(other) };
    await ensureOrganization(stage.db, other);
    for (const [method, rest, body] of [
      ['GET', ''],
      ['PATCH', '', { mode: 'full' }],
      ['DELETE', ''],
      ['POST', '/pause', {}],
      ['POST', '/resume'],
      ['POST', '/trigger'],
      ['POST', '/backfill', { from: '2026-01-01T00:00:00Z', to: '2026-01-01T01:00:00Z' }],
    ] as const) {
      const { status } = await stage.call(method, `${PATH}/mine${rest}`, { ...call, body });
      expect(status, `${method} ${rest}`).toBe(404);
      const named = await stage.call(method, `${PATH}/mine${rest}?organizationId=${organizationId}`, { ...call, body });
      expect(named.status, `${method} ${rest} by name`).toBe(404);
    }
    expect((await stage.call('GET', PATH, call)).body['schedules']).toEqual([]);
    expect((await ask('DELETE', `${PATH}/mine`)).status).toBe(200);
    expect((await ask('GET', `${PATH}/mine`)).status).toBe(404);
    const audit = await query<{ action: string }>(stage.db, {
      text: `SELECT action FROM outhaul.audit_log WHERE target = 'mine' AND organization_id = $1 ORDER BY entry_no`,
      values: [organizationId],
    });
    expect(audit.map(({ action }) => action)).toEqual(['schedule.create', 'schedule.remove']);
  });

  it.each([
    [{}, 'cron: give cron, such as "0 2 * * *", or intervalSeconds'],
    [{ cron: '0 2 * * *', intervalSeconds: 3600 }, 'intervalSeconds: give either cron or intervalSeconds, not both'],
    [{ cron: 'every day' }, /^cron: must have 5 fields/],
    [{ cron: '0 2 * * * # note' }, /^cron: must have 5 fields/],
    [{ cron: '0 99 * * *' }, /^cron: is not understood: .*hour/i],
    [{ cron: '@daily', timeZone: 'Mars/Olympus' }, /^timeZone: must be the name of a time zone/],
    [{ intervalSeconds: 3600, timeZone: 'UTC' }, 'timeZone: goes with cron: intervals know no time zone'],
    [{ intervalSeconds: 30 }, 'intervalSeconds: must be at least 60'],
    [{ cron: '@daily', overlap: 'often' }, /^overlap: /],
    [{ cron: '@daily', catchUpSeconds: 1 }, 'catchUpSeconds: must be at least 10'],
    [{ cron: '@daily', jitterSeconds: 100_000 }, 'jitterSeconds: must be at most 86400'],
    [{ cron: '@daily', scheduleId: 'a'.repeat(81) }, /^scheduleId: must be 1 to 80 letters/],
    [{ cron: '@daily', tz: 'UTC' }, 'tz: is not a known field'],
  ])('refuses %o', async (more, message) => {
    const { status, body } = await ask('POST', PATH, { scheduleId: 'bad', ...more });
    expect(status).toBe(400);
    expect(textOf(body['message'])).toMatch(message);
  });

  it('refuses changes and backfills that mean nothing', async () => {
    await make('strict');
    expect(await ask('PATCH', `${PATH}/strict`, {})).toMatchObject({
      status: 400,
      body: { message: 'say what to change' },
    });
    const backfill = (from: string, to: string) => ask('POST', `${PATH}/strict/backfill`, { from, to });
    expect(await backfill('2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z')).toMatchObject({ status: 400 });
    expect(await backfill('2026-01-02T00:00:00Z', '2999-01-01T00:00:00Z')).toMatchObject({ status: 400 });
    expect(
      (await ask('POST', `${PATH}/unknown/backfill`, { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' }))
        .status,
    ).toBe(404);
  });
});
