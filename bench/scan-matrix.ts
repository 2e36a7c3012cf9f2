import Table from 'cli-table3';
import { openRig, type Rig } from './rig.ts';
import { raw, scan, type ScanFigures, type Workload } from './scan.ts';

const plain = { seed: 7, specialUsers: false, oddMessages: false, bodyBytes: 0 } as const;
const small50 = { ...plain, mailboxes: 50, messagesPerMailbox: 2000, folders: 2 };
const oneBig = { ...plain, mailboxes: 1, messagesPerMailbox: 20_000, folders: 8 };

const matrix: Workload[] = [0, 50].flatMap((latencyMs) =>
  [100, 1000].flatMap((pageSize) => [
    { name: '50 mailboxes of 2,000', tenant: small50, pageSize, latencyMs, walkers: 40 },
    { name: 'one mailbox of 20,000', tenant: oneBig, pageSize, latencyMs, walkers: 3 },
  ]),
);

/** The row that the summary quotes. */
const headline = matrix.find((one) => one.tenant === small50 && one.pageSize === 1000 && one.latencyMs === 0)!;

const warmUp: Workload = {
  name: 'warm-up',
  tenant: { ...plain, mailboxes: 2, messagesPerMailbox: 500 },
  pageSize: 500,
  latencyMs: 0,
  walkers: 1,
};

/**
 * The product against the raw loop, in one run, on one machine, with default settings (codec, authentication and fsync
 * on). Rates are messages per second.
 */
export async function benchScan(note: (line: string) => void): Promise<{ table: string; summary: object }> {
  note('1,000 empty mailboxes …');
  const emptySeconds = await emptyMailboxes(note, 1000);
  const rig = await openRig(note);
  try {
    note('Warming up …');
    await scan(rig, warmUp);
    const table = new Table({
      head: [
        'tenant',
        'page',
        'latency ms',
        'raw loop/s',
        'scan/s',
        'ratio',
        'RSS MB',
        'CPU s/1k',
        'actions/1k',
        'requests/1k',
      ],
      style: { head: [], border: [] },
    });
    const results = new Map<Workload, { rawRate: number; scanRate: number }>();
    for (const workload of matrix) {
      note(`${workload.name}, pages of ${workload.pageSize}, ${workload.latencyMs} ms …`);
      const { rawRate, figures } = await compared(rig, workload, workload === headline ? 3 : 1);
      results.set(workload, { rawRate, scanRate: figures.messagesPerSecond });
      table.push([
        workload.name,
        workload.pageSize,
        workload.latencyMs,
        rawRate,
        figures.messagesPerSecond,
        ratio(figures.messagesPerSecond, rawRate),
        figures.workerRssMb,
        figures.cpuPer1000,
        Math.round((figures.actions / figures.messages) * 1e6) / 1000,
        figures.requestsPer1000,
      ]);
    }
    const sized = (messagesPerMailbox: number, mailboxes = 1): Workload => ({
      name: `${mailboxes} of ${messagesPerMailbox}`,
      tenant: { ...plain, mailboxes, messagesPerMailbox, folders: 8 },
      pageSize: 500,
      latencyMs: 0,
      walkers: 1,
    });
    note('Memory: 20,000 and 200,000 messages …');
    const { small: with20k, large: with200k } = await memoryOf(rig, sized(1000, 20), sized(10_000, 20));
    note('Temporal actions: a mailbox of 100 and one of 100,000 …');
    const [one, twenty] = [await scan(rig, sized(100)), await scan(rig, sized(100, 20))];
    const big = await scan(rig, sized(100_000));

    const main = results.get(headline)!;
    const at50ms = results.get(
      matrix.find((one) => one.tenant === oneBig && one.pageSize === 100 && one.latencyMs === 50)!,
    )!;
    const summary = {
      rawLoop: main.rawRate,
      scan: main.scanRate,
      ratio: ratio(main.scanRate, main.rawRate),
      oneMailboxAt50ms: at50ms.scanRate,
      workerRssMb20k: with20k,
      workerRssMb200k: with200k,
      actionsSmallMailbox: Math.round(((twenty.actions - one.actions) / 19) * 10) / 10,
      actionsPer1000Big: Math.round((big.actions / (big.messages / 1000)) * 1000) / 1000,
      emptyMailboxes1000Seconds: Math.round(emptySeconds * 10) / 10,
    };
    return { table: table.toString(), summary };
  } finally {
    await rig.close();
  }
}

/** Both sides of a row, each from rest, in turn, so many times; the middle one of each counts. */
async function compared(
  rig: Rig,
  workload: Workload,
  times: number,
): Promise<{ rawRate: number; figures: ScanFigures }> {
  const rates: number[] = [];
  const scans: ScanFigures[] = [];
  for (let time = 0; time < times; time++) {
    await rig.settle();
    const loop = await raw(rig, workload);
    await rig.settle();
    const figures = await scan(rig, workload, time === 0);
    if (loop.messages !== figures.messages)
      throw new Error(`raw loop ${loop.messages}, scan ${figures.messages} messages`);
    rates.push(Math.round(loop.messages / loop.seconds));
    scans.push(figures);
  }
  const { actions } = scans[0]!;
  scans.sort((a, b) => a.messagesPerSecond - b.messagesPerSecond);
  return { rawRate: middleOf(rates), figures: { ...scans[Math.floor(times / 2)]!, actions } };
}

/** The worker's peak memory for a small and a large tenant, MB: the middle one of five runs each, in turn. */
async function memoryOf(rig: Rig, small: Workload, large: Workload): Promise<{ small: number; large: number }> {
  const peaks = { small: [] as number[], large: [] as number[] };
  for (let time = 0; time < 5; time++) {
    peaks.small.push((await scan(rig, small, false)).workerRssMb);
    peaks.large.push((await scan(rig, large, false)).workerRssMb);
  }
  return { small: middleOf(peaks.small), large: middleOf(peaks.large) };
}

const middleOf = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/**
 * Seconds: the middle one of three runs, each on a fresh stack, for the development server becomes slower with every
 * workflow that it keeps.
 */
async function emptyMailboxes(note: (line: string) => void, mailboxes: number): Promise<number> {
  const tenant = { ...plain, mailboxes, messagesPerMailbox: 0, folders: 1 };
  const workload = { name: 'empty', tenant, pageSize: 500, latencyMs: 0, walkers: 1, folders: ['inbox'] };
  const seconds: number[] = [];
  for (let time = 0; time < 3; time++) {
    const rig = await openRig(note);
    try {
      await scan(rig, warmUp);
      await rig.settle();
      seconds.push((await scan(rig, workload, false)).seconds);
    } finally {
      await rig.close();
    }
  }
  return middleOf(seconds);
}

function ratio(a: number, b: number): number {
  return Math.round((a / b) * 100) / 100;
}
