import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { benchDeliver } from './deliver/index.ts';
import { benchFaults } from './faults.ts';
import { benchLive } from './live.ts';
import { benchPause } from './pause.ts';
import { benchPolling } from './polling.ts';
import { benchScan } from './scan-matrix.ts';
import { benchSimulator } from './simulator.ts';

/**
 * `npm run bench -- scan|simulator|pause|faults|live|polling|deliver [--json]`: figures on standard output, the last of them
 * one JSON object; what is being done on standard error. `--minutes` is how long mail comes, 1,000 messages a minute in
 * `live` and 100 in `deliver`; of this, `--only` names the sections, and `--outage-minutes` how long destinations are away.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean' },
    minutes: { type: 'string', default: '5' },
    only: { type: 'string' },
    'outage-minutes': { type: 'string', default: '10' },
  },
});
const [minutes, outageMinutes] = [Number(values.minutes), Number(values['outage-minutes'])];
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
} else if (what === 'live' && minutes > 0) {
  print(machine, await benchLive(note, { minutes }));
} else if (what === 'polling') {
  print(machine, await benchPolling(note));
} else if (what === 'deliver' && minutes > 0 && outageMinutes > 0) {
  const only = values.only === undefined ? {} : { only: values.only.split(',') };
  print(machine, await benchDeliver(note, { minutes, outageMinutes, ...only }));
} else {
  note('Usage: npm run bench -- scan|simulator|pause|faults|live|polling|deliver [--minutes 5] [--json]');
  note('deliver: [--only live,parallel,redis,batch,attachments,outage,airtable] [--outage-minutes 10]');
  process.exitCode = 2;
}

function print(text: string, summary: object): void {
  (values.json ? process.stderr : process.stdout).write(`${text}\n`);
  process.stdout.write(`${JSON.stringify(summary, null, values.json ? undefined : 2)}\n`);
}
