import type { CheckedConnection } from './api-client.ts';
import { EXIT } from './exit-codes.ts';
import type { Output, Style } from './output.ts';
import { counted } from './text/numbers.ts';
import { safeLine } from './text/safe-text.ts';

type FindingEntry = CheckedConnection['findings'][number];

const STYLES: Readonly<Record<FindingEntry['status'], Style>> = {
  passed: 'green',
  failed: 'red',
  warning: 'yellow',
  skipped: 'dim',
};
/** Columns before the text: the status and a gap. */
const INDENT = 9;
const NARROWEST = 40;

/** Everything that a check of a connection found, for people, and in the end what follows from it. */
export function checkReport({ connection, outcome, findings }: CheckedConnection, out: Output): string[] {
  const { organizationId, tenantId, clientId } = connection;
  return [
    safeLine(`Connection of ${organizationId}: app ${clientId} in tenant ${tenantId}`),
    ...findings.flatMap((finding) => linesOf(finding, out)),
    '',
    endOf(outcome, findings),
  ];
}

function linesOf({ name, status, meaning, advice, link, code, requestId }: FindingEntry, out: Output): string[] {
  const isSettled = status === 'passed' || status === 'skipped';
  const [first = '', ...rest] = wrap(safeLine(`${name}: ${meaning}`), out.width - INDENT);
  const trace = [code, requestId && `request ${requestId}`].filter(Boolean).join(', ');
  const below = [
    ...rest,
    ...(advice ? wrap(safeLine(`To do: ${advice}`), out.width - INDENT) : []),
    ...(link ? [safeLine(link)] : []),
    ...(trace && !isSettled ? [safeLine(`(${trace})`)] : []),
  ];
  return [out.paint(STYLES[status], status.padEnd(INDENT)) + first, ...below.map((line) => ' '.repeat(INDENT) + line)];
}

function endOf(outcome: CheckedConnection['outcome'], findings: readonly FindingEntry[]): string {
  switch (outcome) {
    case 'passed':
      return 'Everything that a scan needs is there.';
    case 'warning':
      return 'Everything that a scan needs is there; see the warnings.';
    case 'failed': {
      const failed = findings.filter(({ status }) => status === 'failed').length;
      return `A scan cannot do with this connection: ${counted(failed, 'check')} failed.`;
    }
    case 'unreachable':
      return 'Microsoft gave no answer, so nothing can be said of the connection itself.';
  }
}

/** How a command ends that checked a connection. */
export const exitCodeOfCheck = (outcome: CheckedConnection['outcome']): number =>
  outcome === 'failed' || outcome === 'unreachable' ? EXIT.failure : EXIT.ok;

/** Breaks a line between words. */
function wrap(text: string, width: number): string[] {
  const room = Math.max(width, NARROWEST);
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= room) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
