import pg from 'pg';
import { pause } from '../embedded/pause.ts';
import { nameOf, type Deed, type ScanAct, type SessionAct } from './plan.ts';
import type { Incident } from './recovery.ts';
import type { Stage } from './stage.ts';

export interface ChaosOptions {
  readonly stage: Stage;
  /** Does what people do. */
  readonly people: (act: ScanAct | SessionAct, forMs: number) => Promise<void>;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** What was done, by the machine's clock. */
export interface Done {
  /** Faults by name, as `nameOf` has it. */
  readonly counts: Readonly<Record<string, number>>;
  /** All of them, what was done at once included. */
  readonly deeds: readonly Incident[];
  /** What stood in the product's way for a while, kills included. */
  readonly incidents: readonly Incident[];
  readonly kills: readonly Incident[];
}

/** Carries out a plan, each deed at its time; resolves when the last one is over and everything is back. */
export async function carryOut(plan: readonly Deed[], options: ChaosOptions): Promise<Done> {
  const begun = Date.now();
  const counts: Record<string, number> = {};
  const deeds: Incident[] = [];
  const incidents: Incident[] = [];
  const kills: Incident[] = [];
  const doing: Promise<void>[] = [];
  for (const deed of plan) {
    await pause(Math.max(0, begun + deed.atMs - Date.now()), options.signal);
    const name = nameOf(deed);
    counts[name] = (counts[name] ?? 0) + 1;
    options.say(
      `${Math.round((Date.now() - begun) / 1000)} s: ${name}${deed.forMs > 0 ? ` for ${deed.forMs / 1000} s` : ''}`,
    );
    doing.push(note(name, deed));
  }
  const results = await Promise.allSettled(doing);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  return { counts, deeds, incidents, kills };

  async function note(name: string, deed: Deed): Promise<void> {
    const from = Date.now();
    await perform(deed, options);
    const incident = { name, from, to: Date.now() };
    deeds.push(incident);
    if (deed.forMs > 0) incidents.push(incident);
    if (deed.kind === 'kill') kills.push(incident);
  }
}

async function perform(deed: Deed, { stage, people, signal }: ChaosOptions): Promise<void> {
  const { simulator } = stage;
  const wait = (ms: number): Promise<void> => pause(ms, signal);
  switch (deed.kind) {
    case 'kill':
      await stage.subject(deed.target, deed.worker).killed(deed.forMs, wait);
      return;
    case 'freeze':
      return stage.subject(deed.target, deed.worker).frozen(deed.forMs, wait);
    case 'cut': {
      const proxy = stage.proxy(deed.pair, deed.worker);
      proxy.cut(deed.how);
      await wait(deed.forMs).finally(() => proxy.restore());
      return;
    }
    case 'fill':
      return fillConnections(stage.databaseUrl(), () => wait(deed.forMs));
    case 'pause':
    case 'cancel':
    case 'restart':
    case 'session':
      return people(deed, deed.forMs);
    case 'outage':
      await Promise.all([
        ...stage.subjects.map((subject) => subject.killed(deed.forMs, wait)),
        wait(deed.forMs / 2).then(() => simulator.expireSubscriptions()),
      ]);
      return;
    case 'expire':
      return simulator.expireSubscriptions();
    case 'lifecycle':
      return simulator.tell(deed.event);
    case 'mail':
      return simulator.burst(deed.changes, deed.seed);
    case 'graph':
      return simulator.fail(deed.rule);
  }
}

/** Takes every connection that PostgreSQL has left, and gives them back. */
async function fillConnections(connectionString: string, wait: () => Promise<void>): Promise<void> {
  const taken: pg.Client[] = [];
  try {
    for (;;) {
      const client = new pg.Client({ connectionString, application_name: 'chaos' });
      client.on('error', () => undefined);
      const refused = await client.connect().then(
        () => taken.push(client) && undefined,
        (error: unknown) => error,
      );
      if (refused !== undefined) break;
    }
    await wait();
  } finally {
    await Promise.all(taken.map((client) => client.end().catch(() => undefined)));
  }
}
