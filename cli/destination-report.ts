import type { Cli } from './cli.ts';
import type { DestinationEntry } from './delivery-client.ts';
import { count } from './text/numbers.ts';
import { safeJson, safeLine } from './text/safe-text.ts';
import { renderTable } from './text/table.ts';

const LABEL_WIDTH = 15;
const right = { align: 'right' as const };

const COLUMNS = [
  { title: 'NAME' },
  { title: 'ORGANIZATION' },
  { title: 'KIND' },
  { title: 'STATUS' },
  { title: 'WAITING', ...right },
  { title: 'OWED', ...right },
  { title: 'DEAD', ...right },
  { title: 'DELIVERED', ...right },
  { title: 'HEALTH' },
];

/** Prints destinations. */
export function printDestinations({ out, notes }: Cli, destinations: readonly DestinationEntry[], json: boolean): void {
  if (json) return out.line(safeJson(destinations));
  if (destinations.length === 0) return notes.line('No destination yet. `outhaul destinations create` makes one.');
  const rows = destinations.map((one) => [
    one.name,
    one.organizationId,
    one.kind,
    statusOf(one),
    count(one.waiting),
    count(one.owed + one.sending),
    count(one.dead),
    count(one.delivered),
    one.health === null ? 'not known' : one.health.healthy ? 'healthy' : one.health.detail,
  ]);
  out.line(renderTable(COLUMNS, rows, out));
}

/** Prints everything about a destination. */
export function printDestination({ out }: Cli, destination: DestinationEntry, json: boolean): void {
  if (json) return out.line(safeJson(destination));
  for (const [label, value] of describeDestination(destination)) {
    out.line(`${out.paint('dim', label.padEnd(LABEL_WIDTH))} ${safeLine(value)}`);
  }
}

/** Everything about one destination, as label and value. */
export function describeDestination(one: DestinationEntry): [label: string, value: string][] {
  const { filters, ...settings } = one.settings;
  const { delivered, averageMs } = one.lastMinute;
  return [
    ['name', one.name],
    ['id', one.id],
    ['organization', one.organizationId],
    ['kind', one.kind],
    ['status', statusOf(one)],
    ...Object.entries(settings).map(([name, value]): [string, string] => [name, settingOf(value)]),
    ['filters', Object.keys(filters).length === 0 ? 'none' : JSON.stringify(filters)],
    ['secret', one.hasSecret ? 'kept' : 'none'],
    [
      'starts with',
      one.starts === 'stored' ? `what is stored already${one.fed ? '' : ' (being looked through)'}` : 'what comes',
    ],
    ['health', one.health === null ? 'not known' : `${one.health.detail} (${one.health.checkedAt})`],
    ['owed', `${count(one.owed)}, ${count(one.sending)} being sent, ${count(one.waiting)} waiting for attachments`],
    ['oldest since', one.oldestOwedAt ?? 'nothing is owed'],
    ['delivered', `${count(one.delivered)}, of which ${count(one.answered)} were answered with an error`],
    ['last minute', averageMs === null ? '0' : `${count(delivered)}, after ${count(averageMs)} ms each`],
    ['dead letters', count(one.dead)],
    ['changed', one.changedAt],
  ];
}

/** Certificates are long and say nothing to people. */
const settingOf = (value: unknown): string =>
  typeof value === 'string' && value.includes('-----BEGIN') ? 'certificates of its own' : String(value);

function statusOf({ status, circuit: { state, until } }: DestinationEntry): string {
  if (status === 'paused') return 'paused';
  if (state === 'closed') return 'active';
  return state === 'open' ? `failing, tried again at ${until?.slice(11, 19) ?? ''}` : 'failing, being tried';
}
