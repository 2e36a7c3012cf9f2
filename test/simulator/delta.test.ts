import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../simulator/index.ts';
import { TestClient } from './client.ts';

let simulator: Simulator;
let client: TestClient;
const immutable = 'IdType="ImmutableId"';

beforeAll(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 4, messages: 2_000 } });
  client = new TestClient(simulator);
});
afterAll(() => simulator.close());

test('delta over every visible folder gives exactly the ground truth', async () => {
  const { items: users } = await client.all('/users?$top=2');
  expect(users).toHaveLength(simulator.control.truth.summary().users);
  let seen = 0;
  for (const mailbox of simulator.control.truth.mailboxes().filter(({ readable }) => readable)) {
    for (const folder of mailbox.folders.filter(
      ({ inTree, isHidden, isSearchFolder }) => inTree && !isHidden && !isSearchFolder,
    )) {
      const { items, last } = await client.all(`/users/${mailbox.id}/mailFolders/${folder.id}/messages/delta`, {
        prefer: `${immutable}, odata.maxpagesize=37`,
      });
      expect(last).toHaveProperty('@odata.deltaLink');
      const truth = [...simulator.control.truth.messages({ mailbox: mailbox.id, folder: folder.id })];
      const received = items.map(({ '@odata.type': type, ...item }) =>
        type === '#microsoft.graph.message' ? item : { '@odata.type': type, ...item },
      );
      expect(received).toEqual(truth.map(({ message }) => message));
      seen += items.length;
    }
  }
  expect(seen).toBe(2_000);
  expect(simulator.control.truth.summary().messages).toBe(2_000);
});
