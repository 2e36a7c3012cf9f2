import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { BUSY_PATIENCE_MS } from '../../activities/attempts.ts';
import { folderCoverage } from '../../store/scan-folders.ts';
import { useMailboxes } from './stage.ts';

describe('a slice that Graph fails', () => {
  const stage = useMailboxes({ mailboxes: 10, messagesPerMailbox: 30, folders: 3 }, { maxRetries: 0 });
  /** An attempt after others that came to this; three failures are allowed. */
  const after = (failures: number, busySince?: number) => ({
    attempt: 99,
    environment: new MockActivityEnvironment({ attempt: 99, heartbeatDetails: { failures, busySince } }),
  });
  const failDelta = (mailbox: string, status: number, code: string): unknown =>
    stage.simulator.control.failNext({ mailbox, kind: 'messagesDelta', status, code });
  const statesOf = async (mailbox: string, scanNo: number): Promise<string[]> =>
    (await folderCoverage(stage.store.db, scanNo, mailbox)).map(({ state }) => state);

  it('is tried again while failures are left, whatever the number of the attempt', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    failDelta(mailbox, 505, 'UnknownError');
    await expect(stage.read(mailbox, scanNo, after(1))).rejects.toMatchObject({ kind: 'unavailable' });
    expect(await statesOf(mailbox, scanNo)).not.toContain('failed');
    expect(await stage.read(mailbox, scanNo)).toMatchObject({ done: true, outcome: 'completed' });
  });

  it('gives up the folder with the last failure, and reads the others', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    failDelta(mailbox, 505, 'UnknownError');
    expect(await stage.read(mailbox, scanNo, after(2))).toMatchObject({ done: true, reason: 'folder_failed' });
    const states = await statesOf(mailbox, scanNo);
    expect(states.filter((state) => state === 'failed')).toHaveLength(1);
    expect(states.filter((state) => state === 'completed').length).toBeGreaterThan(1);
  });

  it('gives up the folder whose sync state Graph loses again at once, and reads the others', async () => {
    const mailbox = stage.ownMailbox();
    const { control } = stage.simulator;
    for (let added = 0; added < 60; added++) control.addMessage({ mailbox, folder: 'inbox' }, { subject: 'more' });
    const expired = { type: 'expireLinks', links: 'next' } as const;
    control.addFault({ mailbox, folder: 'inbox', kind: 'messagesDelta', effect: expired });
    const { scanNo } = await stage.addScan();
    const result = await stage.read(mailbox, scanNo, { pageSize: 20 });
    expect(result).toMatchObject({ done: true, outcome: 'failed', reason: 'folder_failed' });
    const folders = await folderCoverage(stage.store.db, scanNo, mailbox);
    const failed = folders.filter(({ state }) => state === 'failed');
    expect(failed).toMatchObject([{ path: 'inbox', errorCode: 'SyncStateNotFound' }]);
    expect(folders.filter(({ state }) => state === 'completed').length).toBeGreaterThan(1);
  });

  it('waits for a busy mailbox for half an hour, and then gives it up', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    failDelta(mailbox, 503, 'MailboxInfoStale');
    const recently = Date.now() - BUSY_PATIENCE_MS / 2;
    await expect(stage.read(mailbox, scanNo, after(99, recently))).rejects.toMatchObject({ kind: 'mailbox_busy' });
    failDelta(mailbox, 503, 'MailboxInfoStale');
    expect(await stage.read(mailbox, scanNo, after(0, Date.now() - BUSY_PATIENCE_MS))).toMatchObject({
      reason: 'folder_failed',
    });
  });

  it('is never given up because Graph throttles', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    failDelta(mailbox, 429, 'ApplicationThrottled');
    await expect(stage.read(mailbox, scanNo, after(99))).rejects.toMatchObject({ kind: 'throttled' });
    expect(await statesOf(mailbox, scanNo)).not.toContain('failed');
  });
});
