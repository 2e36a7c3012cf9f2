import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { generateKey } from '../../config/key-ring.ts';
import { freePort } from '../../embedded/ports.ts';
import { Wire } from '../api/support/wire.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startOuthaul, type Outhaul } from './outhaul-process.ts';

/** What each process says once it has what it needs. */
const RUNS = { worker: 'The worker runs', api: 'The API listens' } as const;
const WAITS = { postgres: 'Waiting for the database', temporal: 'Waiting for Temporal' } as const;

let database: TestDatabase;
let ports: { postgres: number; temporal: number };
const running: Outhaul[] = [];
const wires: Wire[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  ports = {
    postgres: Number(new URL(database.url).port),
    temporal: Number(inject('temporalAddress').split(':')[1]),
  };
});
afterAll(() => database.drop());
afterEach(async () => {
  for (const process of running) process.kill('SIGKILL');
  await Promise.all(running.splice(0).map(({ ended }) => ended));
  for (const wire of wires.splice(0)) wire.close();
});

/** Starts the process with PostgreSQL or Temporal at another port than they are. */
async function start(
  command: keyof typeof RUNS,
  { seconds, away }: { seconds: number; away: Partial<typeof ports> },
): Promise<Outhaul> {
  const url = new URL(database.url);
  const at = { ...ports, ...away };
  url.port = String(at.postgres);
  const process = startOuthaul([command], {
    DATABASE_URL: url.href,
    TEMPORAL_ADDRESS: `127.0.0.1:${at.temporal}`,
    OUTHAUL_KEYS: generateKey(),
    OUTHAUL_START_TIMEOUT: String(seconds),
    PORT: String(await freePort()),
  });
  running.push(process);
  return process;
}

describe.each(['worker', 'api'] as const)('outhaul %s', (command) => {
  it.each([
    ['postgres', 'Is it running? Check DATABASE_URL'],
    ['temporal', 'Is the server running, and is TEMPORAL_ADDRESS right?'],
  ] as const)('waits for %s with one word, then ends with 1 and says what to look at', async (service, advice) => {
    const process = await start(command, { seconds: 5, away: { [service]: await freePort() } });
    expect(await process.ended).toBe(1);
    const said = process.out() + process.notes();
    expect(said.split(WAITS[service])).toHaveLength(2);
    expect(process.notes()).toContain(advice);
    expect(said).not.toMatch(/\n {4}at /);
    expect(said).not.toContain(RUNS[command]);
  });

  it.each(['postgres', 'temporal'] as const)('starts when %s comes while it waits', async (service) => {
    const late = await freePort();
    const process = await start(command, { seconds: 120, away: { [service]: late } });
    await process.says(WAITS[service]);
    const wire = new Wire('127.0.0.1', ports[service]);
    wires.push(wire);
    await wire.open(late);
    await process.says(RUNS[command]);
    process.kill('SIGTERM');
    expect(await process.ended).toBe(0);
  });
});
