import { randomBytes, randomUUID } from 'node:crypto';
import { stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { loadConfig } from '../../config/config.ts';
import { freePort } from '../../embedded/ports.ts';
import { createApiClient, type ApiClient, type ScanStateAnswer } from '../api-client.ts';
import type { Cli } from '../cli.ts';
import type { DemoOptions } from '../commands/demo.ts';
import { makeScanId } from '../commands/scan.ts';
import { UsageError } from '../errors.ts';
import { EXIT } from '../exit-codes.ts';
import { aborted } from '../interrupts.ts';
import { watchScan } from '../progress/watch-scan.ts';
import { endReport } from '../scan-report.ts';
import { answersAt, startOuthaulProcess } from '../stack/outhaul-process.ts';
import { choosePort } from '../stack/ports.ts';
import type { Service } from '../stack/service.ts';
import { startStack, type Stack } from '../stack/stack.ts';
import { createStops, startTogether } from '../stack/stops.ts';
import { safeLine } from '../text/safe-text.ts';
import { compareStored } from './compare-stored.ts';
import { makeDemoFolder, type DemoFolder } from './demo-folder.ts';
import { demoEnvironment } from './environment.ts';
import { watchPeakMemory } from './peak-memory.ts';
import { comparisonReport, demoFigures, isClean, leftOut, tenantInWords, type DemoOutcome } from './report.ts';
import { storedTables } from './stored-tables.ts';
import { programName } from '../version.ts';
import { openTruth, type Truth } from './truth.ts';

/** The simulated tenant, as whoever scans it must name it. */
interface Tenant {
  readonly url: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** What a demo works with. */
interface Demo {
  readonly cli: Cli;
  readonly options: DemoOptions;
  readonly folder: DemoFolder;
  readonly tenant: Tenant;
  readonly organizationId: string;
  /** Task queues that no other installation polls, where the Temporal server is not the demo's own. */
  readonly taskQueues: string | undefined;
  readonly say: (line: string) => void;
}

/** Runs the whole product on a simulated tenant and compares what is stored with what the tenant holds. */
export async function demo(cli: Cli, options: DemoOptions): Promise<void> {
  const { notes, interrupts } = cli;
  await checkMailFolder(options.mail);
  const folder = await makeDemoFolder();
  interrupts.atOnce(folder.removeNow);
  try {
    const tenant = {
      url: `http://127.0.0.1:${await freePort()}`,
      tenantId: randomUUID(),
      clientId: randomUUID(),
      clientSecret: randomBytes(24).toString('base64url'),
    };
    const say = (line: string): void => notes.line(line);
    interrupts.signal.addEventListener('abort', () => say('Stopping. Ctrl-C again stops at once.'));
    const ownName = `demo-${randomBytes(3).toString('hex')}`;
    const isShared = loadConfig(demoEnvironment(cli.env)).config.temporal.address !== undefined;
    await runDemo({
      ...{ cli, options, folder, tenant, say },
      organizationId: isShared ? ownName : 'demo',
      taskQueues: isShared ? `outhaul-${ownName}` : undefined,
    });
  } finally {
    await folder.remove();
  }
}

async function checkMailFolder(mail: string | undefined): Promise<void> {
  if (mail === undefined) return;
  const found = await stat(mail).catch(() => undefined);
  if (!found?.isDirectory()) throw new UsageError(`--mail: ${mail} is not a folder`);
}

async function runDemo(demo: Demo): Promise<void> {
  const { cli, options, say } = demo;
  const { interrupts } = cli;
  const [simulator, stack] = await startTogether<[Service, Stack]>(
    [(signal) => startSimulatorProcess(demo, signal), (signal) => startDemoStack(demo, signal)],
    interrupts.signal,
  );
  const stops = createStops();
  stops.add(simulator.stop);
  stops.add(stack.stop);
  interrupts.atOnce(() => simulator.kill('SIGKILL'));
  try {
    await scanAndCompare(demo, stack);
    if (options.exit) return;
    for (const line of whereIsWhat(demo, stack)) say(line);
    await aborted(interrupts.signal);
  } finally {
    await stops.all();
  }
}

async function startSimulatorProcess(
  { options, folder, tenant, cli, say }: Demo,
  signal: AbortSignal,
): Promise<Service> {
  const secretFile = folder.data.path('client-secret');
  await writeFile(secretFile, tenant.clientSecret, { mode: 0o600 });
  const choice = {
    ...(({ mailboxes, messages, seed, latency }) => ({ mailboxes, messages, seed, latency }))(options),
    mail: options.mail === undefined ? undefined : resolve(options.mail),
    port: new URL(tenant.url).port,
    'tenant-id': tenant.tenantId,
    'client-id': tenant.clientId,
    'client-secret-file': secretFile,
  };
  const args = Object.entries(choice).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, `${value}`],
  );
  return startOuthaulProcess({
    name: 'The simulator',
    args: ['simulate', ...args],
    env: demoEnvironment(cli.env),
    logFile: folder.data.path('logs/simulator.log'),
    isReady: answersAt(`${tenant.url}/_sim/truth/summary`),
    say,
    signal,
  });
}

async function startDemoStack(
  { cli, options, folder, tenant, taskQueues, say }: Demo,
  signal: AbortSignal,
): Promise<Stack> {
  const env = demoEnvironment(cli.env);
  const { config } = loadConfig(env);
  return startStack({
    config,
    env: { ...env, OUTLOOK_API_BASE_URL: tenant.url, OUTHAUL_AUTHORITY_URL: tenant.url },
    folder: folder.data,
    apiPort: await choosePort({ service: 'the API', wanted: options.port, preferred: config.http.port }),
    taskQueues,
    temporalPort: options.temporalPort,
    uiPort: options.uiPort,
    say,
    interrupts: { ...cli.interrupts, signal },
  });
}

async function scanAndCompare(demo: Demo, stack: Stack): Promise<void> {
  const { cli, options, tenant, say } = demo;
  const truth = openTruth(tenant.url, cli.interrupts.signal);
  const summary = await truth.summary();
  const api = createApiClient({ url: stack.apiUrl, key: stack.adminKey?.key, signal: cli.interrupts.signal });
  const memory = watchPeakMemory(() => stack.worker.current.pid);

  say(`Scanning ${tenantInWords(summary)}`);
  const scanId = makeScanId(new Date());
  const state = await scan(demo, api, scanId, summary.messages, memory.sample);
  await memory.sample();
  // Results go to standard output, but for --json, which has it to itself.
  const print = options.json ? say : (line: string): void => cli.out.line(line);
  for (const line of endReport(state)) print(line);

  const mailboxes = await truth.mailboxes();
  const { comparison, rows } = await compareStored({
    ...{ truth, mailboxes, stack, scanId, messages: summary.messages },
    ...{ organizationId: demo.organizationId, tenantId: tenant.tenantId, notes: cli.notes },
  });
  await reportOutcome(demo, { state, comparison, rows, peakRssMb: memory.megabytes }, { api, mailboxes, print });
}

async function scan(
  { cli, tenant, organizationId }: Demo,
  api: ApiClient,
  scanId: string,
  messages: number,
  sampleMemory: () => Promise<void>,
): Promise<ScanStateAnswer> {
  const { tenantId, clientId, clientSecret } = tenant;
  await api.startScan({
    scanId,
    organizationId,
    type: ['email'],
    auth: { tenantId, clientId, clientSecret },
    filters: { folders: ['all'] },
  });
  return watchScan(api, scanId, {
    notes: cli.notes,
    signal: cli.interrupts.signal,
    everyMs: 250,
    messages,
    onState: () => void sampleMemory(),
  });
}

async function reportOutcome(
  { cli, options }: Demo,
  outcome: DemoOutcome,
  {
    api,
    mailboxes,
    print,
  }: { api: ApiClient; mailboxes: Awaited<ReturnType<Truth['mailboxes']>>; print: (line: string) => void },
): Promise<void> {
  const figures = demoFigures(outcome);
  const { state, comparison } = outcome;
  for (const line of storedTables({ mailboxes, tables: await api.tables(state.scanId), comparison }, cli.out))
    print(line);
  const unread = leftOut(mailboxes);
  if (unread.length > 0) print('Users without a mailbox that can be read, left out of the scan:');
  for (const line of unread) print(safeLine(line));
  for (const line of comparisonReport(figures, comparison.findings)) print(safeLine(line));
  const isGood = isClean(figures, state);
  if (options.json) cli.out.line(JSON.stringify(figures));
  cli.exitCode = isGood ? EXIT.ok : EXIT.failure;
}

function whereIsWhat({ cli, tenant }: Demo, { apiUrl, services, adminKey }: Stack): string[] {
  const where: [string, string | undefined][] = [
    ['API docs', `${apiUrl}/docs/`],
    ['API key', adminKey?.key],
    ['Temporal Web UI', services.temporalUiUrl],
    ['Database', `psql '${services.databaseUrl}'`],
    ['Simulator', `${tenant.url}/_sim/truth/summary`],
    ['Try', `${programName(cli.env)} status --url ${apiUrl} --api-key-file ${adminKey?.file ?? ''}`],
  ];
  return [
    '',
    cli.notes.paint('bold', 'Look around; Ctrl-C ends the demo and removes its data.'),
    ...where.flatMap(([name, place]) => (place === undefined ? [] : [`  ${name.padEnd(15)} ${place}`])),
  ];
}
