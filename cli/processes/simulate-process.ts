import { readFile } from 'node:fs/promises';
import { startSimulator, type Simulator, type SimulatorOptions } from '../../simulator/index.ts';
import type { Cli } from '../cli.ts';
import type { SimulateOptions } from '../commands/simulate.ts';
import { CommandError } from '../errors.ts';
import { EXIT } from '../exit-codes.ts';
import { aborted } from '../interrupts.ts';
import { programName } from '../version.ts';
import { safeJson } from '../text/safe-text.ts';

/** Runs the simulator until it is told to end. */
export async function simulate(cli: Cli, options: SimulateOptions): Promise<void> {
  const simulator = await start(await toSimulatorOptions(options), options.port);
  try {
    const { url, tenantId, clientId, clientSecret, control } = simulator;
    const { faults, seed = 1 } = options;
    if (faults !== undefined) control.addPreset({ preset: 'mixed', rate: faults / 100, seed });
    const summary = control.truth.summary();
    if (options.json) cli.out.line(safeJson({ url, tenantId, clientId, clientSecret, ...summary }));
    else for (const line of describe(simulator, programName(cli.env))) cli.out.line(line);
    await aborted(cli.interrupts.signal);
  } finally {
    await simulator.close();
  }
}

async function toSimulatorOptions(options: SimulateOptions): Promise<SimulatorOptions> {
  const { port, latency, mailboxes, messages, seed, mail, folders, bodyBytes } = options;
  const { tenantId, clientId, clientSecretFile } = options;
  const clientSecret = clientSecretFile && (await readFile(clientSecretFile, 'utf8')).trim();
  return {
    port,
    ...(latency !== undefined && { latencyMs: latency }),
    ...(!options.limits && { limits: { mailboxConcurrency: null, mailboxRequests: null, requestsPerSecond: null } }),
    tenant: {
      ...(mailboxes !== undefined && { mailboxes }),
      ...(messages !== undefined && { messages }),
      ...(seed !== undefined && { seed }),
      ...(mail !== undefined && { mailFolder: mail }),
      ...(folders !== undefined && { folders }),
      ...(bodyBytes !== undefined && { bodyBytes }),
      ...(tenantId !== undefined && { tenantId }),
      ...(clientId !== undefined && { clientId }),
      ...(clientSecret && { clientSecret }),
    },
  };
}

async function start(options: SimulatorOptions, port: number): Promise<Simulator> {
  return startSimulator(options).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new CommandError(`Port ${port} on 127.0.0.1 is in use`, {
      advice: 'Stop what uses it, or choose another with --port (0 for a free one).',
      exitCode: EXIT.machine,
      cause: error,
    });
  });
}

function describe({ url, tenantId, clientId, clientSecret, control }: Simulator, outhaul: string): string[] {
  const { mailboxes, messages } = control.truth.summary();
  return [
    `A Microsoft 365 tenant runs at ${url}: ${mailboxes} mailboxes, ${messages} messages. Ctrl-C stops it.`,
    `  tenant id      ${tenantId}`,
    `  client id      ${clientId}`,
    `  client secret  ${clientSecret}`,
    `  ground truth   ${url}/_sim/truth/summary`,
    'Let Outhaul use it in place of Microsoft:',
    `  OUTLOOK_API_BASE_URL=${url} OUTHAUL_AUTHORITY_URL=${url} ${outhaul} up`,
    'and scan it:',
    `  CLIENT_SECRET='${clientSecret}' ${outhaul} scan --tenant ${tenantId} --client-id ${clientId} --folders all`,
  ];
}
