import { setTimeout as delay } from 'node:timers/promises';
import { isFinal, type ScanStatus } from '../../model/scan.ts';
import { controlClient } from '../../simulator/control-client.ts';
import type { Stats, TenantOptions, TruthMailbox } from '../../simulator/index.ts';
import { simulate, until, type SimulatedTenant } from '../rig.ts';
import { memoryOf, resetPeak } from '../usage.ts';
import { hasTaken, SECRET, startReceiver, type Receiver } from './receiver.ts';
import { openDeliverStage, type DeliverStage } from './stage.ts';

const LATENCY_MS = 50;
const MESSAGES = 2_000;
const LARGE_BYTES = 150_000_000;
/** Mail of one mailbox in one folder, each message with a file. */
const TENANT: TenantOptions = {
  mailboxes: 1,
  messages: MESSAGES,
  folders: 1,
  specialUsers: false,
  oddMessages: false,
  seed: 7,
  attachments: { share: 1, most: 1, bytes: 20_000, oddShare: 0 },
};

export interface AttachmentFigures {
  /** Messages of one mailbox a second, from the first to the last that was handed on with its attachment. */
  readonly perSecondAt50ms: number;
  readonly peakMailboxConcurrency: number;
  /** What the worker needs to store one of 150 MB and to hand it on, beyond what it had, MB (10^6 bytes). */
  readonly extraMb150MB: number;
}

/** A mailbox whose every message has an attachment, which a utility wants. */
export async function benchAttachments(note: (line: string) => void): Promise<AttachmentFigures> {
  const tenant = await simulate({ tenant: TENANT, latencyMs: LATENCY_MS });
  const receiver = await startReceiver({ kind: 'sink' });
  const stage = await openDeliverStage(note, { tenant });
  try {
    const settings = { endpoint: receiver.url, allowPrivate: true, filters: { hasAttachments: true } };
    await stage.addDestination('utility', settings, SECRET);
    note(`${MESSAGES} messages of one mailbox with a file each, at ${LATENCY_MS} ms …`);
    const startedMs = Date.now();
    await scan(stage, tenant, 'first');
    note(`The scan itself: ${MESSAGES} messages in ${(Date.now() - startedMs) / 1000} s`);
    await hasTaken(receiver, MESSAGES);
    const accepted = await receiver.accepted();
    const seconds = (accepted[MESSAGES - 1]!.atMs - accepted[0]!.atMs) / 1000;
    const { peakMailboxConcurrency } = await controlClient(tenant.url)<Stats>('GET', '/stats');
    note(`A file of ${LARGE_BYTES} bytes …`);
    const extraMb150MB = await extraMemory(stage, tenant, receiver);
    return { perSecondAt50ms: Math.round((MESSAGES / seconds) * 10) / 10, peakMailboxConcurrency, extraMb150MB };
  } finally {
    await stage.close();
    await receiver.close();
    await tenant.close();
  }
}

async function extraMemory(stage: DeliverStage, tenant: SimulatedTenant, receiver: Receiver): Promise<number> {
  const control = controlClient(tenant.url);
  const { value: mailboxes } = await control<{ value: TruthMailbox[] }>('GET', '/truth/mailboxes');
  await control('POST', '/messages', {
    mailbox: mailboxes[0]!.id,
    folder: 'inbox',
    message: { subject: 'A large file' },
    attachments: [
      { kind: 'file', name: 'large.bin', contentType: 'application/octet-stream', bytes: LARGE_BYTES, seed: 7 },
    ],
  });
  // Garbage of the scan before is not to be counted, nor to make room.
  await delay(10_000);
  const { pid } = stage.worker;
  await resetPeak(pid);
  const before = await memoryOf(pid);
  await scan(stage, tenant, 'second');
  await hasTaken(receiver, MESSAGES + 1);
  return (await memoryOf(pid)).peakRssMb - before.rssMb;
}

/** Scans the tenant, and waits for the end. */
async function scan({ rig, organization }: DeliverStage, tenant: SimulatedTenant, scanId: string): Promise<void> {
  const { organizationId } = organization;
  const { tenantId, clientId, clientSecret } = tenant;
  const auth = { tenantId, clientId, clientSecret };
  const config = { scanId, organizationId, type: ['email'], auth, filters: { folders: ['all'] } };
  await rig.call('POST', '/api/v1/scan/start', { config });
  const { status } = await until(async () => {
    const answer = await rig.call('GET', `/api/v1/scan/${scanId}/status?organizationId=${organizationId}`);
    return isFinal(answer['status'] as ScanStatus) ? answer : undefined;
  }, 250);
  if (status !== 'completed') throw new Error(`The scan ended ${String(status)}`);
}
