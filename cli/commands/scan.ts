import { Command, Option } from 'commander';
import { SCAN_MODES } from '../../model/scan.ts';
import type { ScanRequest } from '../api-client.ts';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, type ClientOptions } from '../client-options.ts';
import type { CredentialOptions } from '../credential.ts';
import { filtersOf, withFilters, withWindow, type FilterOptions } from '../filter-options.ts';
import { identifier, list } from '../options.ts';
import { programName } from '../version.ts';

interface ScanOptions extends ClientOptions, CredentialOptions, FilterOptions {
  readonly clientSecret?: unknown;
  readonly organization: string;
  readonly scanId?: string;
  readonly mode: (typeof SCAN_MODES)[number];
  readonly watch: boolean;
}

const AFTER_HELP = `
The secret comes from CLIENT_SECRET (or AZURE_CLIENT_SECRET), a file or standard input, or is asked for. It is never an
argument: other users of a machine can read command lines, and shells keep them.

Examples:
  $ outhaul scan --tenant contoso.onmicrosoft.com --client-id 1111… --organization contoso
  $ pass contoso | outhaul scan --tenant T --client-id C --client-secret-file - --folders all
  $ outhaul scan --organization contoso --mailboxes legal@contoso.com,fabrikam.com --since 2026-01-01
                                      (the organization's stored connection is used)

Exit codes: 0 completed, 5 completed with errors, 6 cancelled, 1 failed, 130 interrupted (the scan goes on).`;

export function scanCommand(cli: Cli): Command {
  const command = new Command('scan')
    .description('start a scan of a tenant and watch it')
    .optionsGroup('The tenant:')
    .option('--organization <id>', 'whose tenant it is, a name of your choice', identifier, 'default')
    .option('--tenant <id>', 'directory (tenant) id or domain (default: TENANT_ID)')
    .option('--client-id <id>', 'application (client) id of the app registration (default: CLIENT_ID)')
    .option('--client-secret-file <file>', 'file with the client secret, - for standard input')
    .option('--certificate <file>', 'PEM file with certificate and private key, in place of a secret')
    .addOption(new Option('--client-secret [value]').hideHelp())
    .optionsGroup('What to read:');
  withWindow(withFilters(command))
    .addOption(
      new Option('--mode <mode>', 'everything, or what changed since the last scan')
        .choices(SCAN_MODES)
        .default('full'),
    )
    .optionsGroup('The scan:')
    .option('--scan-id <id>', 'its name (default: made from the time)', identifier)
    .option('--no-watch', 'start it and do not wait for its end')
    .addHelpText('after', AFTER_HELP);
  return withClientOptions(command).action((options: ScanOptions) => scan(cli, options));
}

async function scan(cli: Cli, options: ScanOptions): Promise<void> {
  const { readCredential, secretAsArgument } = await import('../credential.ts');
  if (options.clientSecret !== undefined) throw secretAsArgument();
  const { endReport, exitCodeOf } = await import('../scan-report.ts');
  const { watchScan } = await import('../progress/watch-scan.ts');
  const api = await openClient(cli, options);
  const auth = await readCredential(cli, options);
  const config = toRequest(options, cli.env, auth);

  const outhaul = programName(cli.env);
  const started = await api.startScan(config);
  const { scanId } = started;
  cli.notes.line(
    started.status === 'pending'
      ? `Scan ${scanId} waits for its turn: as many scans run as may.`
      : `Scan ${scanId} of organization ${options.organization} is running.`,
  );
  for (const warning of started.warnings ?? []) cli.notes.line(`${cli.notes.paint('yellow', 'warning:')} ${warning}.`);
  if (!options.watch) {
    cli.out.line(scanId);
    cli.notes.line(`Watch it: ${outhaul} status --watch ${scanId}`);
    return;
  }
  try {
    const state = await watchScan(api, scanId, { notes: cli.notes, signal: cli.interrupts.signal });
    for (const line of endReport(state)) cli.out.line(line);
    cli.notes.line(`See it: ${outhaul} results ${scanId}`);
    cli.exitCode = exitCodeOf(state.status);
  } catch (error) {
    cli.notes.line(`The scan goes on. Watch it: ${outhaul} status --watch ${scanId}`);
    cli.notes.line(`Cancel it: ${outhaul} cancel ${scanId}`);
    throw error;
  }
}

function toRequest(options: ScanOptions, env: NodeJS.ProcessEnv, auth: ScanRequest['auth']): ScanRequest {
  const mailboxes = options.mailboxes ?? (env['MAILBOX_ADDRESS'] ? list(env['MAILBOX_ADDRESS'], []) : undefined);
  return {
    scanId: options.scanId ?? makeScanId(new Date()),
    organizationId: options.organization,
    type: ['email'],
    mode: options.mode,
    auth,
    filters: filtersOf({ ...options, mailboxes }),
  };
}

/** `scan-20261121-093000-7f3a` */
export function makeScanId(now: Date): string {
  const [date, clock] = now.toISOString().replace(/[-:]/g, '').slice(0, 15).split('T');
  const random = Math.floor(Math.random() * 0x10000);
  return `scan-${date}-${clock}-${random.toString(16).padStart(4, '0')}`;
}
