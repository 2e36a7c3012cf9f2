import { afterEach, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator, type TenantOptions, type TruthMailbox } from '../../simulator/index.ts';
import { TestClient, textOf } from './client.ts';

let simulator: Simulator;
let client: TestClient;
afterEach(() => simulator.close());

async function start(tenant: TenantOptions): Promise<TruthMailbox> {
  simulator = await startSimulator({ tenant: { specialUsers: false, oddMessages: false, ...tenant } });
  client = new TestClient(simulator);
  return { id: simulator.control.truth.page({ limit: 1 }).value[0]?.mailbox ?? '' } as TruthMailbox;
}
const prefer = (size: number) => ({ prefer: `IdType="ImmutableId", odata.maxpagesize=${size}` });

describe('sizes that a real tenant may have', { timeout: 60_000 }, () => {
  test('a mailbox of a million messages in one folder', async () => {
    const { id } = await start({ mailboxes: 1, messages: 1_000_000, folders: 1 });
    const inbox = `/users/${id}/mailFolders/inbox`;
    expect((await client.get(inbox)).body.totalItemCount).toBe(1_000_000);
    const first = await client.get(`${inbox}/messages/delta?$select=id`, prefer(1_000));
    const second = await client.get(textOf(first.body['@odata.nextLink']), prefer(1_000));
    expect(new Set([...first.body.value, ...second.body.value].map((item) => item.id)).size).toBe(2_000);
    const far = await client.get(`${inbox}/messages?$select=id&$top=5&$skip=999998`, prefer(5));
    expect(far.body.value).toHaveLength(2);
    simulator.control.removeMessage({ mailbox: id, id: textOf(far.body.value[0]?.id) });
    expect((await client.get(`${inbox}/messages/$count`)).text).toBe('999999');
  });

  test('a tenant of ten thousand mailboxes', async () => {
    await start({ mailboxes: 10_000, messages: 100_000 });
    const { items } = await client.all('/users?$select=id,userPrincipalName&$top=999');
    expect(new Set(items.map((user) => user.id)).size).toBe(10_000);
    expect(new Set(items.map(({ userPrincipalName }) => userPrincipalName)).size).toBe(10_000);
    const last = await client.get(`/users/${textOf(items.at(-1)?.id)}/messages?$top=100`);
    expect(last.body.value.length).toBeGreaterThan(0);
  });

  test('a message of 5,000 recipients, 500 attachments and a long body', async () => {
    const { id: mailbox } = await start({ mailboxes: 1, messages: 10 });
    const bulk = { recipients: 5_000, attachments: 500, attachmentBytes: 200, bodyCharacters: 100_000 };
    const { id } = await client.sim('POST', '/messages', { mailbox, folder: 'inbox', bulk });
    const path = `/users/${mailbox}/messages/${encodeURIComponent(textOf(id))}`;
    const { body } = await client.get(path);
    expect(body.toRecipients).toHaveLength(5_000);
    expect(body).toMatchObject({ hasAttachments: true });
    expect((body.body as { content: string }).content).toHaveLength(100_000);
    const attachments = (await client.get(`${path}/attachments`)).body.value;
    expect(new Set(attachments.map((attachment) => attachment.id)).size).toBe(500);
    const last = await client.get(`${path}/attachments/${encodeURIComponent(textOf(attachments.at(-1)?.id))}/$value`);
    expect(last.text).toHaveLength(200);
    await expect(client.sim('POST', '/messages', { mailbox, folder: 'inbox', bulk: { pages: 2 } })).rejects.toThrow(
      /^400 .*pages/,
    );
  });

  test('a page of 1,000 messages with bodies of 100 KB', async () => {
    const { id } = await start({ mailboxes: 1, messages: 1_000, folders: 1, bodyBytes: 100_000 });
    const token = textOf((await client.token()).body.access_token);
    const response = await fetch(`${simulator.url}/v1.0/users/${id}/mailFolders/inbox/messages/delta`, {
      headers: { authorization: `Bearer ${token}`, ...prefer(1_000) },
    });
    let bytes = 0;
    let etags = 0;
    for await (const part of response.body ?? []) {
      const chunk = Buffer.from(part as Uint8Array);
      bytes += chunk.length;
      for (let at = chunk.indexOf('"@odata.etag"'); at >= 0; at = chunk.indexOf('"@odata.etag"', at + 1)) etags++;
    }
    expect(bytes).toBe(Number(response.headers.get('content-length')));
    expect(bytes).toBeGreaterThan(80_000_000);
    // A few names may lie across two chunks.
    expect(etags).toBeGreaterThan(950);
  });

  test('a tree of folders 300 deep and 5,000 wide, a message in each', async () => {
    const { id: mailbox } = await start({ mailboxes: 1, messages: 100 });
    const tree = { mailbox, parent: 'inbox', deep: 300, wide: 5_000, messages: 1 };
    expect(await client.sim('POST', '/folders/tree', tree)).toEqual({ folders: 5_300 });
    const { items } = await client.all(`/users/${mailbox}/mailFolders/delta`, prefer(1_000));
    const parents = new Map(items.map((folder) => [folder.id, folder.parentFolderId]));
    const depthOf = (folder: unknown): number => (parents.has(folder) ? 1 + depthOf(parents.get(folder)) : 0);
    expect(Math.max(...items.map((folder) => depthOf(folder.id)))).toBe(301);
    const wide = await client.all(`/users/${mailbox}/mailFolders/inbox/childFolders?$top=1000`);
    expect(wide.items.filter(({ totalItemCount }) => totalItemCount === 1).length).toBeGreaterThanOrEqual(5_001);
    await expect(client.sim('POST', '/folders/tree', { ...tree, deep: -1 })).rejects.toThrow(/^400 .*deep/);
  });
});
