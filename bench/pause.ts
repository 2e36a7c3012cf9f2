import { setTimeout as delay } from 'node:timers/promises';
import { controlClient } from '../simulator/control-client.ts';
import type { Stats } from '../simulator/index.ts';
import { openRig, simulate, until, type Rig, type SimulatedTenant } from './rig.ts';

/** Mailboxes that are open when the scan is told to stop. */
const OPEN = 100;
/** Graph counts as quiet when nothing was asked for this long. */
const QUIET_MS = 5_000;
const LOOK_MS = 50;

/** How soon Graph is left alone, seconds from the request to the API. */
export interface PauseFigures {
  readonly mailboxesOpen: number;
  /** Until the API says that the scan is paused; until the last request of it has ended. */
  readonly paused: number;
  readonly quietAfterPause: number;
  /** Until the first request after it was resumed. */
  readonly goesOnAfterResume: number;
  readonly quietAfterCancel: number;
}

/**
 * A scan with many mailboxes open, whose pages come slowly, so that requests are always under way: paused, resumed,
 * cancelled.
 */
export async function benchPause(note: (line: string) => void): Promise<PauseFigures> {
  const rig = await openRig(note, { MAX_WORKERS: String(OPEN) });
  const tenant = await simulate({
    tenant: { mailboxes: OPEN + 50, messagesPerMailbox: 50_000, folders: 1, specialUsers: false },
    latencyMs: 400,
  });
  const worker = await rig.startWorker(tenant, { BATCH_SIZE: '10' });
  try {
    const { tenantId, clientId, clientSecret } = tenant;
    const config = { scanId: 'pause', organizationId: 'bench', type: ['email'], filters: { folders: ['all'] } };
    await rig.call('POST', '/api/v1/scan/start', { config: { ...config, auth: { tenantId, clientId, clientSecret } } });
    note(`Waiting until ${OPEN} mailboxes are open …`);
    await untilOpen(rig);
    note('Pausing …');
    const pause = await stopped(rig, tenant, 'pause');
    note('Resuming …');
    const goesOnAfterResume = await resumed(rig, tenant);
    await untilOpen(rig);
    note('Cancelling …');
    const cancel = await stopped(rig, tenant, 'cancel');
    return {
      mailboxesOpen: OPEN,
      paused: pause.answered,
      quietAfterPause: pause.quiet,
      goesOnAfterResume,
      quietAfterCancel: cancel.quiet,
    };
  } finally {
    await worker.stop();
    await tenant.close();
    await rig.close();
  }
}

const statsOf = ({ url }: SimulatedTenant): Promise<Stats> => controlClient(url)('GET', '/stats');

/** Waits until as many mailboxes are being read as may. */
const untilOpen = (rig: Rig): Promise<true> =>
  until(async () => {
    const { mailboxes } = await rig.call('GET', '/api/v1/scan/pause/status');
    return (mailboxes as { running: number }).running >= OPEN ? true : undefined;
  }, 500);

async function stopped(
  rig: Rig,
  tenant: SimulatedTenant,
  control: 'pause' | 'cancel',
): Promise<{ answered: number; quiet: number }> {
  const started = performance.now();
  let answered = 0;
  const asking = rig.call('POST', `/api/v1/scan/pause/${control}`).then(() => (answered = performance.now()));
  let before = await statsOf(tenant);
  let lastActive = performance.now();
  while (performance.now() - lastActive < QUIET_MS) {
    await delay(LOOK_MS);
    const now = await statsOf(tenant);
    if (now.requests > before.requests || now.inFlight > 0) lastActive = performance.now();
    before = now;
  }
  await asking;
  return { answered: seconds(answered - started), quiet: seconds(lastActive - started) };
}

async function resumed(rig: Rig, tenant: SimulatedTenant): Promise<number> {
  const { requests } = await statsOf(tenant);
  const started = performance.now();
  await rig.call('POST', '/api/v1/scan/pause/resume');
  await until(async () => ((await statsOf(tenant)).requests > requests ? true : undefined), LOOK_MS);
  return seconds(performance.now() - started);
}

const seconds = (milliseconds: number): number => Math.round(milliseconds / 100) / 10;
