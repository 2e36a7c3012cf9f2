import { afterEach, describe, expect, it, vi } from 'vitest';
import type { FaultEffect, FaultRule } from '../../simulator/faults/fault-rule.ts';
import { useMailboxes } from './stage.ts';

type Habit = Omit<FaultRule, 'effect' | 'mailbox'> & { readonly effect: FaultEffect };

describe('every message is stored once, as Graph has it, though', () => {
  const stage = useMailboxes({ mailboxes: 31, messagesPerMailbox: 90, folders: 3 });
  afterEach(() => {
    stage.simulator.control.clearFaults();
    stage.simulator.control.setLatency(0);
  });

  const stored = async (
    mailbox: string,
  ): Promise<Map<string, { folder: string; subject: string; isRead: boolean }>> => {
    const rows = await stage.store.sql<{ id: string; folder: string; subject: string; isRead: boolean }>(
      `SELECT id, parent_folder_id AS folder, subject, is_read AS "isRead" FROM ${stage.organization.schema}.emails
       WHERE _user_id = $1 AND _deleted_at IS NULL`,
      [mailbox],
    );
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
    return new Map(rows.map(({ id, ...row }) => [id, row]));
  };
  const truth = (mailbox: string): Map<string, { folder: unknown; subject: unknown; isRead: unknown }> =>
    new Map(
      stage.simulator.control.truth
        .page({ mailbox, limit: 1_000 })
        .value.map(({ message }) => [
          message['id'] as string,
          { folder: message['parentFolderId'], subject: message['subject'], isRead: message['isRead'] },
        ]),
    );
  const scanOf = async (mailbox: string, mode?: 'incremental'): Promise<void> => {
    const { scanNo } = await stage.addScan({ folders: ['all'] }, mode);
    await readAll(mailbox, scanNo);
  };
  const readAll = async (mailbox: string, scanNo: number, pageSize = 20): Promise<void> => {
    for (let slices = 0; ; slices++) {
      if ((await stage.read(mailbox, scanNo, { pageSize })).done) return;
      if (slices > 5) throw new Error('it does not end');
    }
  };

  const HABITS: readonly (readonly [string, Habit])[] = [
    ['a page repeats messages of the one before', { kind: 'messagesDelta', effect: { type: 'overlap', messages: 5 } }],
    [
      'a page is empty and has a next link',
      { kind: 'messagesDelta', after: 1, times: 1, effect: { type: 'emptyPage' } },
    ],
    ['Graph takes no notice of the page size', { kind: 'messagesDelta', effect: { type: 'ignoreTop', size: 7 } }],
    ['folders count more than there is', { kind: 'mailFolder', effect: { type: 'count', off: 50 } }],
    ['folders count less than there is', { kind: 'mailFolder', effect: { type: 'count', off: -20 } }],
    [
      'a next link has grown old, which is told as 410 SyncStateNotFound',
      { kind: 'messagesDelta', times: 1, effect: { type: 'expireLinks', links: 'next' } },
    ],
    [
      'a next link has grown old, which is told as 410 resyncRequired',
      { kind: 'messagesDelta', times: 1, effect: { type: 'expireLinks', links: 'next', code: 'resyncRequired' } },
    ],
    ['the mailbox is over its quota, so that delta is refused', { effect: { type: 'mailbox', state: 'overQuota' } }],
    [
      'the token is taken back in the middle',
      { kind: 'messagesDelta', after: 3, times: 1, effect: { type: 'revokeTokens' } },
    ],
    [
      'an answer is cut off with status 200',
      { kind: 'messagesDelta', times: 2, effect: { type: 'truncate', error: { code: 'ErrorInvalidIdMalformed' } } },
    ],
    ...[500, 502, 503, 504].map((status): readonly [string, Habit] => [
      `Graph fails twice with status ${status}`,
      { kind: 'messagesDelta', after: 1, times: 2, effect: { type: 'status', status } },
    ]),
    ['a connection is reset before an answer', { times: 2, effect: { type: 'reset', moment: 'before' } }],
    ['a connection is reset in the middle of a body', { times: 2, effect: { type: 'reset', moment: 'during' } }],
    [
      'a connection is reset after the answer, when it is to be used again',
      { kind: 'messagesDelta', times: 3, effect: { type: 'reset', moment: 'after' } },
    ],
    [
      'Graph throttles within a batch',
      { kind: 'mailFolder', times: 2, effect: { type: 'status', status: 429, retryAfter: 0.2 } },
    ],
  ];

  it.each(HABITS)('%s', async (_habit, fault) => {
    const mailbox = stage.ownMailbox();
    const { id } = stage.simulator.control.addFault({ ...fault, mailbox });
    await scanOf(mailbox);
    expect(await stored(mailbox)).toEqual(truth(mailbox));
    expect(stage.simulator.control.faults().find((each) => each.id === id)?.struck).toBeGreaterThan(0);
  });

  it('tokens live for seconds', async () => {
    const mailbox = stage.ownMailbox();
    const { control } = stage.simulator;
    const { scanNo } = await stage.addScan({ folders: ['all'] });
    control.changeTenant({ tokenLifetimeSeconds: 2, revokeTokens: true });
    control.setLatency(500);
    const before = control.stats().tokens;
    try {
      await readAll(mailbox, scanNo, 5);
    } finally {
      control.changeTenant({ tokenLifetimeSeconds: 3_599, revokeTokens: true });
    }
    expect(control.stats().tokens - before).toBeGreaterThan(2);
    expect(await stored(mailbox)).toEqual(truth(mailbox));
  });

  it('a message leaves its folder and comes back between two rounds, of which delta tells the leaving only', async () => {
    const mailbox = stage.ownMailbox();
    await scanOf(mailbox);
    const { control } = stage.simulator;
    const [id = '', { folder } = { folder: '' }] = [...truth(mailbox)][0] ?? [];
    control.moveMessage({ mailbox, id }, 'deleteditems');
    control.moveMessage({ mailbox, id }, String(folder));
    await scanOf(mailbox, 'incremental');
    expect(await stored(mailbox)).toEqual(truth(mailbox));
  });

  it('a delta tells of a change in part', async () => {
    const mailbox = stage.ownMailbox();
    await scanOf(mailbox);
    const { control } = stage.simulator;
    control.addFault({ mailbox, kind: 'messagesDelta', effect: { type: 'partial' } });
    const [read = '', changed = ''] = [...truth(mailbox).keys()];
    control.changeMessage({ mailbox, id: read }, { isRead: truth(mailbox).get(read)?.isRead !== true });
    control.changeMessage({ mailbox, id: changed }, { subject: 'Changed' });
    await scanOf(mailbox, 'incremental');
    expect(await stored(mailbox)).toEqual(truth(mailbox));
  });

  it('a saved delta link is not known any more, and messages have gone meanwhile', async () => {
    const mailbox = stage.ownMailbox();
    await scanOf(mailbox);
    const { control } = stage.simulator;
    const [gone = ''] = [...truth(mailbox).keys()];
    control.removeMessage({ mailbox, id: gone });
    control.expireDelta({ mailbox });
    await scanOf(mailbox, 'incremental');
    expect(await stored(mailbox)).toEqual(truth(mailbox));
  });

  it('a folder is moved and renamed', async () => {
    const mailbox = stage.ownMailbox();
    const { control } = stage.simulator;
    const { id: folder } = control.createFolder(mailbox, 'inbox', 'A/B');
    control.createFolder(mailbox, 'inbox', 'A/B');
    control.addMessage({ mailbox, folder }, { subject: 'In the first of two of one name' });
    await scanOf(mailbox);
    control.changeFolder({ mailbox, folder }, { displayName: 'Elsewhere', parent: 'sentitems' });
    await scanOf(mailbox, 'incremental');
    expect(await stored(mailbox)).toEqual(truth(mailbox));
  });

  it.each([
    ['renamed', { displayName: 'Renamed' }, ['inbox/Renamed']],
    ['moved', { parent: 'sentitems' }, ['sentitems/Under way']],
    ['deleted', undefined, []],
  ])('a folder is %s under the walk', async (_, change, paths) => {
    const mailbox = stage.ownMailbox();
    const { control } = stage.simulator;
    const { id: folder } = control.createFolder(mailbox, 'inbox', 'Under way');
    for (let number = 0; number < 60; number++)
      control.addMessage({ mailbox, folder }, { subject: `Letter ${number}` });
    const effect = { type: 'delay', milliseconds: 1_500 } as const;
    const { id } = control.addFault({ mailbox, folder, kind: 'messagesDelta', after: 1, times: 1, effect });
    const scan = scanOf(mailbox);
    await vi.waitUntil(() => control.faults().find((fault) => fault.id === id)?.struck === 1, { timeout: 30_000 });
    if (change) control.changeFolder({ mailbox, folder }, change);
    else control.removeFolder({ mailbox, folder });
    expect(control.stats().inFlight, 'its second page is still under way').toBeGreaterThan(0);
    await scan;
    expect(await stored(mailbox)).toEqual(truth(mailbox));
    await scanOf(mailbox, 'incremental');
    expect(await stored(mailbox)).toEqual(truth(mailbox));
    const found = await stage.store.sql<{ path: string }>(
      `SELECT DISTINCT _folder AS path FROM ${stage.organization.schema}.emails
       WHERE _user_id = $1 AND parent_folder_id = $2 AND _deleted_at IS NULL`,
      [mailbox, folder],
    );
    expect(found.map(({ path }) => path)).toEqual(paths);
  });
});
