import { Command } from 'commander';
import type { ApiClient } from '../api-client.ts';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import { UsageError } from '../errors.ts';
import { identifier, wholeNumber } from '../options.ts';

interface StatusOptions extends ClientOptions {
  readonly watch?: boolean;
  readonly json?: boolean;
  readonly limit: number;
}

const AFTER_HELP = `
Examples:
  $ outhaul status                    the newest scans
  $ outhaul status scan-1             one scan
  $ outhaul status --watch scan-1     until it ends; the exit code says how (as with \`outhaul scan\`)
  $ outhaul status --json scan-1      as the API answers it`;

export function statusCommand(cli: Cli): Command {
  const command = new Command('status')
    .description('show a scan, or the newest ones')
    .argument('[scanId]', 'the scan; without it the newest scans are listed', identifier)
    .option('-w, --watch', 'show its progress until it ends')
    .option('--json', 'print what the API answers')
    .option('--limit <number>', 'scans to list', wholeNumber(1, 1000), 20)
    .addHelpText('after', AFTER_HELP);
  return withClientOptions(withOrganization(command)).action((scanId: string | undefined, options: StatusOptions) =>
    status(cli, scanId, options),
  );
}

async function status(cli: Cli, scanId: string | undefined, options: StatusOptions): Promise<void> {
  if (scanId === undefined && options.watch) throw new UsageError('--watch needs the id of a scan');
  const api = await openClient(cli, options);
  return scanId === undefined ? listScans(cli, api, options) : showScan(cli, api, scanId, options);
}

async function listScans(cli: Cli, api: ApiClient, { json, limit }: StatusOptions): Promise<void> {
  const { scans, pagination } = await api.scans(limit);
  if (json) {
    const { safeJson } = await import('../text/safe-text.ts');
    return cli.out.line(safeJson(scans));
  }
  if (scans.length === 0) return cli.notes.line('No scans yet. `outhaul scan --help` tells how to start one.');
  const [{ renderTable }, { count }, { statusInWords }] = await Promise.all([
    import('../text/table.ts'),
    import('../text/numbers.ts'),
    import('../scan-report.ts'),
  ]);
  const columns = [
    { title: 'SCAN' },
    { title: 'ORGANIZATION' },
    { title: 'STATUS' },
    { title: 'MESSAGES', align: 'right' as const },
    { title: 'STARTED' },
    { title: 'ENDED' },
    { title: 'ERROR' },
  ];
  const rows = scans.map((scan) => [
    scan.scanId,
    scan.organizationId,
    statusInWords(scan.status),
    count(scan.recordsExtracted),
    scan.startTime ?? scan.requestedAt,
    scan.endTime,
    scan.errorMessage,
  ]);
  cli.out.line(renderTable(columns, rows, cli.out));
  if (pagination.hasMore) cli.notes.line(`${count(pagination.total)} scans in all; --limit shows more.`);
}

async function showScan(cli: Cli, api: ApiClient, scanId: string, { watch, json }: StatusOptions): Promise<void> {
  const [{ describeScan, exitCodeOf }, { safeJson, safeLine }] = await Promise.all([
    import('../scan-report.ts'),
    import('../text/safe-text.ts'),
  ]);
  let state;
  if (watch) {
    const { watchScan } = await import('../progress/watch-scan.ts');
    state = await watchScan(api, scanId, { notes: cli.notes, signal: cli.interrupts.signal });
    cli.exitCode = exitCodeOf(state.status);
  } else {
    state = await api.scanState(scanId);
  }
  if (json) return cli.out.line(safeJson(state));
  for (const [label, value] of describeScan(state)) {
    cli.out.line(`${cli.out.paint('dim', label.padEnd(13))} ${safeLine(value)}`);
  }
}
