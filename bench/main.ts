import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { benchFaults } from './faults.ts';
import { benchLive } from './live.ts';
import { benchPause } from './pause.ts';
import { benchPolling } from './polling.ts';
import { benchScan } from './scan-matrix.ts';
import { benchSimulator } from './simulator.ts';

/**
 * `npm run bench -- scan|simulator|pause|faults|live|polling [--json]`: figures on standard output, the last of them one JSON object;
 * what is being done on standard error. `--minutes` is how long 1,000 messages a minute come in `live`.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, minutes: { type: 'string', default: '5' } },
});
const note = (line: string): void => void process.stderr.write(`${line}\n`);
const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`;

const [what] = positionals;
if (what === 'scan') {
  const { table, summary } = await benchScan(note);
  print(`${machine}\n${table}`, summary);
} else if (what === 'simulator') {
  note('Reading 1,000,000 messages …');
  print(machine, await benchSimulator());
} else if (what === 'pause') {
  print(machine, await benchPause(note));
} else if (what === 'faults') {
  print(machine, await benchFaults(note));
} else if (what === 'live' && Number(values.minutes) > 0) {
  print(machine, await benchLive(note, { minutes: Number(values.minutes) }));
} else if (what === 'polling') {
  print(machine, await benchPolling(note));
} else {
  note('Usage: npm run bench -- scan|simulator|pause|faults|live|polling [--minutes 5] [--json]');
  process.exitCode = 2;
}

function print(text: string, summary: object): void {
  (values.json ? process.stderr : process.stdout).write(`${text}\n`);
  process.stdout.write(`${JSON.stringify(summary, null, values.json ? undefined : 2)}\n`);
}
