import { ServiceError } from '@temporalio/client';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { toHttpError } from '../../api/error-answers.ts';
import { describeError } from '../../config/logging.ts';
import { SealError } from '../../model/sealing.ts';
import {
  IncompatibleDatabase,
  InvalidCursor,
  ScanEnded,
  ScanExists,
  StoreUnavailable,
  UnknownOrganization,
  UnknownTable,
} from '../../store/errors.ts';
import { openApiStage, type ApiStage } from './support/stage.ts';

const grpcError = (code: number) =>
  Object.assign(new Error('14 UNAVAILABLE: 10.0.0.7:7233'), { code, details: 'x', metadata: {} });

describe('an error', () => {
  it.each([
    ['the store is away', new StoreUnavailable('the database is not available (ECONNREFUSED)'), 503],
    ['the database is of another version', new IncompatibleDatabase('newer'), 503],
    ['Temporal is away', grpcError(14), 503],
    ['Temporal is late', grpcError(4), 503],
    ['Temporal is away, as its client words it', new ServiceError('x', { cause: grpcError(14) }), 503],
    ['the scan exists', new ScanExists('one'), 409],
    ['the scan has ended', new ScanEnded(1, 'completed'), 409],
    ['the organization is not known', new UnknownOrganization('nobody'), 404],
    ['the table is not known', new UnknownTable(['emails']), 400],
    ['the cursor is not valid', new InvalidCursor(), 400],
    ['a key is missing from the ring', new SealError('no key k2'), 500],
    ['nobody expected it', new Error('SELECT secret FROM mail'), 500],
    ['it is no error at all', 'SELECT secret FROM mail', 500],
    ['Temporal finds our request wrong', grpcError(3), 500],
  ])('because %s answers with a status and words of ours', (_why, error, status) => {
    const answer = toHttpError(error);
    expect(answer.status).toBe(status);
    expect(answer.message).not.toMatch(/SELECT|ECONNREFUSED|10\.0\.0\.7/);
    expect(answer.message.length).toBeGreaterThan(10);
  });

  it('of PostgreSQL is logged without the rows that PostgreSQL adds', async () => {
    const client = new pg.Client({ connectionString: inject('postgresUrl') });
    await client.connect();
    await client.query('CREATE TEMPORARY TABLE people (address text PRIMARY KEY)');
    await client.query(`INSERT INTO people VALUES ('someone@contoso.example')`);
    const error: unknown = await client
      .query(`INSERT INTO people VALUES ('someone@contoso.example')`)
      .catch((e: unknown) => e);
    await client.end();
    expect(JSON.stringify(error)).toContain('someone@contoso.example');
    const logged = describeError(new Error('it failed', { cause: error }));
    expect(logged).toMatchObject({ message: 'it failed', cause: { code: '23505' } });
    expect(JSON.stringify(logged)).not.toContain('someone@');
  });
});

describe('a fault inside', () => {
  let stage: ApiStage;
  beforeAll(async () => {
    stage = await openApiStage();
  });
  afterAll(() => stage.close());

  it('answers 500 with the request id, and says more in the log only', async () => {
    await stage.db.pool.query('ALTER TABLE outhaul.scans RENAME TO elsewhere');
    const { status, body } = await stage.call('GET', '/api/v1/scan/statistics');
    expect(status).toBe(500);
    expect(body).toEqual({
      success: false,
      error: 'Internal Server Error',
      message: 'Something went wrong here; the log says more under this request id',
      requestId: expect.any(String) as string,
    });
    const requestId = body['requestId'] as unknown as string;
    const lines = stage.lines.filter((line) => line.includes(requestId));
    expect(lines.some((line) => line.includes('"level":"ERROR"') && line.includes('42P01'))).toBe(true);
    await stage.db.pool.query('ALTER TABLE outhaul.elsewhere RENAME TO scans');
  });
});
