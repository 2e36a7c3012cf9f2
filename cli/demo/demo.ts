import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { loadConfig, type Config } from '../../config/config.ts';
import type { TruthMailbox } from '../../simulator/index.ts';
import { createApiClient, type ApiClient, type ScanStateAnswer } from '../api-client.ts';
import type { Cli } from '../cli.ts';
import type { DemoOptions } from '../commands/demo.ts';
import { makeScanId } from '../commands/scan.ts';
import { coverageInWords } from '../coverage.ts';
import { UsageError } from '../errors.ts';
import { EXIT } from '../exit-codes.ts';
import { aborted } from '../interrupts.ts';
import { watchScan } from '../progress/watch-scan.ts';
import { endReport } from '../scan-report.ts';
import { places } from '../stack/places.ts';
import { choosePort } from '../stack/ports.ts';
import type { Service } from '../stack/service.ts';
import { startStack, type Stack } from '../stack/stack.ts';
import { createStops, startTogether } from '../stack/stops.ts';
import { safeLine } from '../text/safe-text.ts';
import { programName } from '../version.ts';
import { compareStored } from './compare-stored.ts';
import { makeDemoFolder, type DemoFolder } from './demo-folder.ts';
import { demoEnvironment } from './environment.ts';
import { watchPeakMemory } from './peak-memory.ts';
import { comparisonReport, demoFigures, isClean, leftOut, tenantInWords, type DemoOutcome } from './report.ts';
import { storedTables } from './stored-tables.ts';
import { nameTenant, startTenant, type Tenant } from './tenant.ts';
import { openTruth } from './truth.ts';

/** What a demo works with. */
interface Demo {
  readonly cli: Cli;
  readonly options: DemoOptions;
  readonly env: NodeJS.ProcessEnv;
  readonly config: Config;
  readonly folder: DemoFolder;
  readonly tenant: Tenant;
  readonly organizationId: string;
  /** Task queues that no other installation polls, where the Temporal server is not the demo's own. */
  readonly taskQueues: string | undefined;
  /** Progress and notes. */
  readonly say: (line: string) => void;
  /** Results: on standard output, but for `--json`, which has that to itself. */
  readonly print: (line: string) => void;
}

/** Runs the whole product on a simulated tenant and compares what is stored with what the tenant holds. */
export async function demo(cli: Cli, options: DemoOptions): Promise<void> {
  const { notes, out, interrupts } = cli;
  await checkMailFolder(options.mail);
  const env = demoEnvironment(cli.env);
  const { config } = loadConfig(env);
  const say = (line: string): void => notes.line(line);
  interrupts.signal.addEventListener('abort', () => say('Stopping. Ctrl-C again stops at once.'));
  const folder = await makeDemoFolder();
  interrupts.atOnce(folder.removeNow);
  try {
    const ownName = config.temporal.address === undefined ? undefined : `demo-${randomBytes(3).toString('hex')}`;
    await runDemo({
      ...{ cli, options, env, config, folder, say },
      tenant: await nameTenant(),
      organizationId: ownName ?? 'demo',
      taskQueues: ownName && `outhaul-${ownName}`,
      print: options.json ? say : (line) => out.line(line),
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
  const { cli, options, env, folder, tenant, say } = demo;
  const { interrupts } = cli;
  const [simulator, stack] = await startTogether<[Service, Stack]>(
    [
      (signal) => startTenant(tenant, options, { folder: folder.data, env, say, signal }),
      (signal) => startDemoStack(demo, signal),
    ],
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

async function startDemoStack(demo: Demo, signal: AbortSignal): Promise<Stack> {
  const { cli, options, env, config, folder, tenant, taskQueues, say } = demo;
  return startStack({
    ...{ config, taskQueues, say },
    env: { ...env, OUTLOOK_API_BASE_URL: tenant.url, OUTHAUL_AUTHORITY_URL: tenant.url },
    folder: folder.data,
    apiPort: await choosePort({ service: 'the API', wanted: options.port, preferred: config.http.port }),
    temporalPort: options.temporalPort,
    uiPort: options.uiPort,
    interrupts: { ...cli.interrupts, signal },
  });
}

async function scanAndCompare(demo: Demo, stack: Stack): Promise<void> {
  const { cli, tenant, organizationId, say, print } = demo;
  const truth = openTruth(tenant.url, cli.interrupts.signal);
  const summary = await truth.summary();
  const api = createApiClient({ url: stack.apiUrl, key: stack.adminKey?.key, signal: cli.interrupts.signal });
  const memory = watchPeakMemory(() => stack.worker.current.pid);

  say(`Scanning ${tenantInWords(summary)}`);
  const state = await scan(demo, api, { messages: summary.messages, onLook: () => void memory.sample() });
  await memory.sample();
  for (const line of endReport(state)) print(line);

  const mailboxes = await truth.mailboxes();
  const { comparison, rows } = await compareStored({
    ...{ truth, mailboxes, stack, organizationId, messages: summary.messages, notes: cli.notes },
    ...{ scanId: state.scanId, tenantId: tenant.tenantId },
  });
  await reportOutcome(demo, { state, comparison, rows, peakRssMb: memory.megabytes }, mailboxes, api);
}

/** Scans the tenant as any client would. */
async function scan(
  { cli, tenant, organizationId }: Demo,
  api: ApiClient,
  { messages, onLook }: { readonly messages: number; readonly onLook: () => void },
): Promise<ScanStateAnswer> {
  const { tenantId, clientId, clientSecret } = tenant;
  const scanId = makeScanId(new Date());
  const auth = { tenantId, clientId, clientSecret };
  await api.startScan({ scanId, organizationId, type: ['email'], auth, filters: { folders: ['all'] } });
  const { notes, interrupts } = cli;
  return watchScan(api, scanId, { notes, signal: interrupts.signal, everyMs: 250, messages, onState: onLook });
}

async function reportOutcome(
  { cli, options, print }: Demo,
  outcome: DemoOutcome,
  mailboxes: readonly TruthMailbox[],
  api: ApiClient,
): Promise<void> {
  const { state, comparison } = outcome;
  const figures = demoFigures(outcome);
  const tables = await api.tables(state.scanId);
  for (const line of storedTables({ mailboxes, tables, comparison }, cli.out)) print(line);
  for (const line of leftOut(mailboxes)) print(safeLine(line));
  const { totals } = await api.coverage(state.scanId, { limit: 1 });
  print('\nCoverage, as the scan itself proves it:');
  for (const line of coverageInWords(totals)) print(`  ${line}`);
  for (const line of comparisonReport(figures, comparison.findings)) print(safeLine(line));
  if (options.json) cli.out.line(JSON.stringify(figures));
  cli.exitCode = isClean(figures, state) ? EXIT.ok : EXIT.failure;
}

function whereIsWhat({ cli, tenant }: Demo, { apiUrl, services, adminKey }: Stack): string[] {
  const keyFile = adminKey && ` --api-key-file ${adminKey.file}`;
  return [
    '',
    cli.notes.paint('bold', 'Look around; Ctrl-C ends the demo and removes its data.'),
    ...places({
      'API docs': `${apiUrl}/docs/`,
      'API key': adminKey?.key,
      'Temporal Web UI': services.temporalUiUrl,
      Database: `psql '${services.databaseUrl}'`,
      Simulator: `${tenant.url}/_sim/truth/summary`,
      Try: `${programName(cli.env)} status --url ${apiUrl}${keyFile ?? ''}`,
    }),
  ];
}
