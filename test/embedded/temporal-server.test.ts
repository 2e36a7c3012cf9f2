import { createServer } from 'node:net';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  freePort,
  PortTakenError,
  startPostgres,
  startTemporal,
  TemporalStartError,
  type TemporalOptions,
} from '../../embedded/index.ts';
import { eventually, isGone, processesOf, runProgram, script, temporaryFolder } from './support.ts';

const start = async (options: Partial<TemporalOptions> & { dataDir: string }) => {
  const temporal = await startTemporal({ searchAttributes: {}, uiPort: false, log: () => undefined, ...options });
  onTestFinished(() => temporal.stop());
  return temporal;
};

const clientOf = async (address: string, namespace = 'default'): Promise<Client> => {
  const connection = await Connection.connect({ address });
  onTestFinished(() => connection.close());
  return new Client({ connection, namespace });
};

const takenPort = async (): Promise<number> => {
  const holder = createServer();
  onTestFinished(() => void holder.close());
  return new Promise((resolve) => {
    holder.listen(0, '127.0.0.1', () => resolve((holder.address() as { port: number }).port));
  });
};

describe('the embedded Temporal server', () => {
  it('serves its namespace and its Web UI, and is gone after its end', async () => {
    const uiPort = await freePort();
    const temporal = await start({ dataDir: await temporaryFolder(), namespace: 'mail', uiPort });
    expect(temporal.uiUrl).toBe(`http://127.0.0.1:${uiPort}`);
    const client = await clientOf(temporal.address, 'mail');
    const { namespaceInfo } = await client.workflowService.describeNamespace({ namespace: 'mail' });
    expect(namespaceInfo?.name).toBe('mail');
    expect((await fetch(temporal.uiUrl!)).status).toBe(200);
    await temporal.stop();
    expect(isGone(temporal.pid)).toBe(true);
    await expect(fetch(temporal.uiUrl!)).rejects.toThrow();
  });

  it('keeps workflows when it is killed, and takes search attributes that come later', async () => {
    const dataDir = await temporaryFolder();
    const first = await start({ dataDir, searchAttributes: { OrganizationId: 'Keyword' } });
    expect(first.uiUrl).toBeUndefined();
    const workflow = { taskQueue: 'nobody', searchAttributes: { OrganizationId: ['contoso'] } };
    const { workflow: before } = await clientOf(first.address);
    await before.start('sleeps', { ...workflow, workflowId: 'before' });
    first.kill('SIGKILL');
    expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });

    const second = await start({ dataDir, searchAttributes: { OrganizationId: 'Keyword', ScanId: 'Keyword' } });
    const { workflow: after } = await clientOf(second.address);
    expect((await after.getHandle('before').describe()).searchAttributes).toEqual({ OrganizationId: ['contoso'] });
    await after.start('sleeps', {
      taskQueue: 'nobody',
      workflowId: 'after',
      searchAttributes: { OrganizationId: ['contoso'], ScanId: ['s1'] },
    });
    expect((await after.getHandle('after').describe()).searchAttributes).toMatchObject({ ScanId: ['s1'] });
  });

  it('stops a server that an earlier run left on its data', async () => {
    const dataDir = await temporaryFolder();
    const left = await start({ dataDir });
    const lines: string[] = [];
    await start({ dataDir, log: (line) => lines.push(line) });
    expect(lines).toEqual([expect.stringContaining(`pid ${left.pid}`)]);
    expect(isGone(left.pid)).toBe(true);
  });

  it('starts where the record of an earlier run is damaged', async () => {
    const dataDir = await temporaryFolder();
    await writeFile(join(dataDir, 'temporal.pid'), '{"pid":');
    expect((await start({ dataDir })).address).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  it('says so where a port that was asked for is taken', async () => {
    const dataDir = await temporaryFolder();
    const port = await takenPort();
    await expect(start({ dataDir, port })).rejects.toThrow(PortTakenError);
    await expect(start({ dataDir, port })).rejects.toThrow('the Temporal server cannot listen there');
    await expect(start({ dataDir, uiPort: port })).rejects.toThrow("Temporal's Web UI cannot listen there");
  });

  it('quotes the last words of a server that ends at its start, and keeps them in its log', async () => {
    const dataDir = await temporaryFolder();
    const binary = await script(join(await temporaryFolder(), 'temporal'), 'echo "disk full" >&2; exit 1');
    const attempt = start({ dataDir, binary });
    await expect(attempt).rejects.toThrow(TemporalStartError);
    await expect(attempt).rejects.toThrow(/ended at its start .*:\ndisk full$/);
    expect(await readFile(join(dataDir, 'temporal.log'), 'utf8')).toBe('disk full\n');
  });

  it('says so where the program cannot be started', async () => {
    const dataDir = await temporaryFolder();
    await expect(start({ dataDir, binary: '/nonexistent/temporal' })).rejects.toThrow(
      /\/nonexistent\/temporal cannot be started: .*ENOENT/,
    );
  });

  it('says so where its data folder cannot be made', async () => {
    const dataDir = join(import.meta.filename, 'below');
    await expect(start({ dataDir })).rejects.toThrow(`The data folder ${dataDir} cannot be used`);
  });

  it('leaves no process where its start is aborted', async () => {
    const dataDir = await temporaryFolder();
    const binary = await script(join(dataDir, 'slow', 'temporal'), 'echo up; while :; do sleep 0.05; done');
    const abort = new AbortController();
    const reason = new Error('Ctrl-C');
    const attempt = expect(start({ dataDir, binary, signal: abort.signal })).rejects.toBe(reason);
    await eventually('the server runs', async () => (await readdir(dataDir)).includes('temporal.pid'));
    abort.abort(reason);
    await attempt;
    expect(await processesOf(dataDir)).toEqual([]);
    expect(await readdir(dataDir)).not.toContain('temporal.pid');
  });
});

it('ends with PostgreSQL when the process that started both is killed, and both start again', async () => {
  const folder = await temporaryFolder();
  const dataDir = (name: string): string => join(folder, 'data', name);
  const program = `
    import { startPostgres, startTemporal } from './embedded/index.js';
    const log = () => undefined;
    const postgres = await startPostgres({ dataDir: ${JSON.stringify(dataDir('postgres'))}, log });
    const temporal = await startTemporal({ dataDir: ${JSON.stringify(dataDir('temporal'))}, searchAttributes: {}, log });
    console.log(JSON.stringify([postgres.pid, temporal.pid]));`;
  const first = await runProgram(folder, program);
  const pids = first.said as number[];
  expect(pids.some(isGone)).toBe(false);
  first.process.kill('SIGKILL');
  await eventually('both services are gone', () => pids.every(isGone));
  await eventually('nothing of theirs is left', async () => (await processesOf(join(folder, 'data'))).length === 0);

  const postgres = await startPostgres({ dataDir: dataDir('postgres'), log: () => undefined });
  await postgres.stop();
  await start({ dataDir: dataDir('temporal') });
});
