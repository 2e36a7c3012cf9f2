import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeApi, runCli, type FakeApi } from './fake-cli.ts';

const none = { added: 0, changed: 0, moved: 0, deleted: 0, restored: 0 };
const graphsError = { errorCode: null, requestId: null };
const folder = (path: string, more: object = {}) => ({
  folderId: `id-${path}`,
  path,
  state: 'completed',
  graph: 10,
  stored: 10,
  quarantined: 0,
  leftOut: 0,
  unexplained: 0,
  unexplainedMessages: [],
  ...none,
  folderCounter: 10,
  reconciledAt: '2026-11-21T09:00:00.000Z',
  ...graphsError,
  ...more,
});
const mailbox = (address: string, more: object = {}) => ({
  mailboxId: `id-${address}`,
  address,
  state: 'completed',
  reason: null,
  ...graphsError,
  folders: [folder('inbox'), folder('sentitems')],
  ...more,
});
const denied = mailbox('board@contoso.example', {
  state: 'skipped',
  reason: 'denied',
  errorCode: 'ErrorAccessDenied',
  folders: [],
});

let api: FakeApi;
let asked: string[];
let unexplained: number;
let differences: object;
beforeEach(async () => {
  asked = [];
  unexplained = 0;
  differences = {};
  api = await fakeApi((request, response) => {
    asked.push(request.url ?? '');
    const isSecond = request.url?.includes('cursor=next') ?? false;
    const body = {
      success: true,
      scanId: 's1',
      organizationId: 'contoso',
      status: 'completed',
      totals: {
        mailboxes: 2,
        mailboxesRead: 1,
        notRead: [{ state: 'skipped', reason: 'denied', mailboxes: 1 }],
        folders: 2,
        foldersNotRead: 0,
        foldersMissing: 0,
        graph: 20,
        stored: 20 - unexplained,
        quarantined: 0,
        leftOut: 0,
        unexplained,
        ...none,
        ...differences,
      },
      mailboxes: isSecond ? [denied] : [mailbox('legal@contoso.example')],
      pagination: { limit: 200, nextCursor: isSecond ? null : 'next' },
    };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
});
afterEach(() => api.close());

const outhaul = (...args: string[]) => runCli([...args, '--url', api.url, '--data-dir', '/nonexistent']);

describe('outhaul coverage', () => {
  it('prints every mailbox and the sums, over all pages', async () => {
    const { code, out } = await outhaul('coverage', 's1');
    expect(code).toBe(0);
    expect(out).toMatch(/legal@contoso\.example\s+completed\s+20\s+20\s+0\s+0\s+0/);
    expect(out).toMatch(/board@contoso\.example\s+skipped \(denied\)/);
    expect(out).toContain('Graph holds 20 messages in the folders that were read: 20 stored, 0 unexplained.');
    expect(out).toContain('1 of 2 mailboxes read; not read: 1 denied.');
    expect(asked).toEqual(['/api/v1/scan/s1/coverage?limit=200', '/api/v1/scan/s1/coverage?limit=200&cursor=next']);
  });

  it('says what was found otherwise than it was stored', async () => {
    differences = { added: 1200, moved: 3, deleted: 2 };
    const { out } = await outhaul('coverage', 's1');
    expect(out).toContain('Since it was read before: 1,200 new, 3 moved, 2 deleted.');
  });

  it('ends with 1 where anything is unexplained', async () => {
    unexplained = 3;
    const { code, out } = await outhaul('coverage', 's1', '--incomplete');
    expect(code).toBe(1);
    expect(out).toContain('3 unexplained');
    expect(asked[0]).toContain('incomplete=true');
  });

  it('prints folders, JSON lines and CSV', async () => {
    expect((await outhaul('coverage', 's1', '--folders')).out).toMatch(
      /legal@contoso\.example\s+sentitems\s+completed\s+10/,
    );
    const json = (await outhaul('coverage', 's1', '--json')).out.trimEnd().split('\n');
    expect(json.map((line) => (JSON.parse(line) as { address: string }).address)).toEqual([
      'legal@contoso.example',
      'board@contoso.example',
    ]);
    const csv = (await outhaul('coverage', 's1', '--csv')).out.trimEnd().split('\n');
    expect(csv).toHaveLength(4);
    expect(csv[3]).toContain('skipped,denied');
  });
});
