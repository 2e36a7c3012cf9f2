import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StartError } from '../../api/errors.ts';
import { startApi } from '../../api/main.ts';
import { ConfigError, loadConfig } from '../../config/config.ts';
import { KeyRingError } from '../../config/key-ring.ts';
import { createLogger } from '../../config/logging.ts';
import { StoreUnavailable } from '../../store/errors.ts';
import { TemporalUnavailable } from '../../temporal/connection.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { environmentFor, openApiStage } from './support/stage.ts';
import { openWires } from './support/wire.ts';

const NOWHERE = '127.0.0.1:1';

describe('the start of the API', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  /** Starts it, expecting it to fail, and returns the error and what was logged before. */
  async function failing(over: Record<string, string>, patienceMs = 600, signal?: AbortSignal) {
    const { config } = loadConfig({ ...environmentFor(database.url), ...over });
    const lines: string[] = [];
    const log = createLogger(config.log, { process: 'api' }, { write: (line) => void lines.push(line) });
    const error: unknown = await startApi({ config, log, patienceMs, ...(signal && { signal }) }).then(
      async (api) => {
        await api.close();
        return undefined;
      },
      (reason: unknown) => reason,
    );
    return { error: error as Error, log: lines.join('') };
  }

  it('fails without a key ring, and says what to set', async () => {
    const { error } = await failing({ OUTHAUL_KEYS: '' });
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toContain('No key, no start: set OUTHAUL_KEYS');
  });

  it('fails with a key ring that is none, and does not show it', async () => {
    const { error } = await failing({ OUTHAUL_KEYS: 'k1:tooshortsecret' });
    expect(error).toBeInstanceOf(KeyRingError);
    expect(error.message).not.toContain('tooshortsecret');
  });

  it('fails without a database, and says what to set', async () => {
    const { error } = await failing({ DATABASE_URL: '' });
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toContain('DATABASE_URL');
  });

  it('waits for PostgreSQL with a word, and then gives up', async () => {
    const { error, log } = await failing({ DATABASE_URL: `postgres://outhaul:hidden-word@${NOWHERE}/outhaul` });
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect(log.match(/Waiting for the database/g)).toHaveLength(1);
    expect(log + error.message).not.toContain('hidden-word');
  });

  it('waits for Temporal with a word, and then gives up, naming where it looked', async () => {
    const { error, log } = await failing({ TEMPORAL_ADDRESS: NOWHERE }, 3_000);
    expect(error).toBeInstanceOf(TemporalUnavailable);
    expect(error.message).toContain(NOWHERE);
    expect(log.match(/Waiting for Temporal at 127\.0\.0\.1:1/g)).toHaveLength(1);
  });

  it('fails where Temporal lacks the namespace, and says how to make it', async () => {
    const { error } = await failing({ TEMPORAL_NAMESPACE: 'not-there' });
    expect(error).toBeInstanceOf(StartError);
    expect(error.message).toContain('temporal operator namespace create --namespace not-there');
  });

  it('fails on a port that is taken, naming it', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { error } = await failing({ PORT: String(port) });
    other.close();
    expect(error).toBeInstanceOf(StartError);
    expect((error as StartError).exitCode).toBe(1);
    expect(error.message).toContain(`Port ${port} on 127.0.0.1 is taken`);
  });

  it('fails on an address that this machine does not have', async () => {
    const { error } = await failing({ HOST: '192.0.2.1' });
    expect(error).toBeInstanceOf(StartError);
    expect(error.message).toContain('192.0.2.1');
  });

  it('can be called off while it waits', async () => {
    const abort = new AbortController();
    const started = performance.now();
    const failed = failing({ DATABASE_URL: `postgres://outhaul@${NOWHERE}/outhaul` }, 60_000, abort.signal);
    abort.abort();
    expect((await failed).error.name).toBe('AbortError');
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('makes the first administrator key once, though two start at the same time', async () => {
    const own = await createTestDatabase();
    const { config } = loadConfig(environmentFor(own.url));
    const log = createLogger(config.log, {}, { write: () => undefined });
    const apis = await Promise.all([startApi({ config, log }), startApi({ config, log })]);
    expect(apis.filter(({ adminKey }) => adminKey !== undefined)).toHaveLength(1);
    await Promise.all(apis.map((api) => api.close()));
    const third = await startApi({ config, log });
    expect(third.adminKey).toBeUndefined();
    await third.close();
    await own.drop();
  });
});

describe('the end of the API', () => {
  it('answers requests in flight, takes no more, and may be asked for twice', async () => {
    const stage = await openApiStage();
    const answers = Array.from({ length: 5 }, () => stage.call('GET', '/api/v1/scan/statistics'));
    await Promise.race(answers);
    const begin = performance.now();
    await Promise.all([stage.api.close(), stage.api.close()]);
    expect(performance.now() - begin).toBeLessThan(5_000);
    await Promise.allSettled(answers);
    await expect(stage.call('GET', '/health')).rejects.toThrow();
    await stage.close();
  });

  it('comes in time, though PostgreSQL and Temporal hang and a request waits for them', async () => {
    const wires = await openWires();
    const stage = await openApiStage({ wires });
    wires.database.cut();
    wires.temporal.cut();
    const waiting = stage.call('GET', '/api/v1/keys').catch(() => undefined);
    await stage.call('GET', '/health', { key: '' });
    const begin = performance.now();
    await stage.api.close();
    expect(performance.now() - begin).toBeLessThan(16_000);
    await waiting;
    wires.mend();
    await stage.close();
    wires.close();
  });
});
