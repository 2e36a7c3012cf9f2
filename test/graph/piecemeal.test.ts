import { describe, expect, test } from 'vitest';
import { MESSAGE_MEMBERS } from '../../model/mail.ts';
import { json, refuse, REQUEST_ID, scripted, type Script, type ScriptedServer } from './scripted-server.ts';
import { failureOf, open, unhurried } from './support.ts';

type Refusals = Readonly<Record<string, readonly [status: number, code: string]>>;

/** A message whose members are their own names; a request for one of `refusals` fails as it says. */
function messageWithout(refusals: Refusals): Script {
  return ({ path }, response) => {
    const asked = new URLSearchParams(path.split('?')[1]).get('$select')?.split(',') ?? [];
    const bad = asked.find((member) => member in refusals);
    if (bad !== undefined) return refuse(response, ...(refusals[bad] as [number, string]));
    json(response, 200, Object.fromEntries(asked.map((member) => [member, member])));
  };
}

async function readFrom(server: ScriptedServer) {
  await using opened = open(server.url, { maxRetries: 0 });
  return await opened.graph.mailbox('u').messagePiecemeal('a+/=', {}, unhurried());
}

const others = (...bad: string[]): object =>
  Object.fromEntries(MESSAGE_MEMBERS.filter((member) => !bad.includes(member)).map((member) => [member, member]));

describe('A message that cannot be read whole', () => {
  test('is read member by member, and those that cannot be read are named', async () => {
    await using server = await scripted(
      messageWithout({ body: [500, 'ErrorContentConversionFailed'], toRecipients: [400, 'ErrorInvalidRecipients'] }),
    );
    expect(await readFrom(server)).toEqual({
      message: others('body', 'toRecipients'),
      unreadable: [
        { member: 'body', code: 'ErrorContentConversionFailed', status: 500, requestId: REQUEST_ID },
        { member: 'toRecipients', code: 'ErrorInvalidRecipients', status: 400, requestId: REQUEST_ID },
      ],
    });
    expect(server.seen.length).toBeLessThan(25);
    for (const { path, headers } of server.seen) {
      expect(path).toMatch(/^\/v1\.0\/users\/u\/messages\/a%2B%2F%3D\?\$select=id/);
      expect(headers['prefer']).toBe('IdType="ImmutableId"');
    }
  });

  test.each([
    ['a 500 without a telling code', 500, 'UnknownError'],
    ['a 504', 504, 'UnknownError'],
    ['a 413', 413, 'RequestEntityTooLarge'],
    ['a 400', 400, 'ErrorInvalidRequest'],
  ])('may fail by %s', async (_what, status, code) => {
    await using server = await scripted(messageWithout({ bodyPreview: [status, code] }));
    expect(await readFrom(server)).toMatchObject({
      message: others('bodyPreview'),
      unreadable: [{ member: 'bodyPreview', code, status }],
    });
  });

  test('loses the member that is too large', async () => {
    await using server = await scripted(({ path }, response) => {
      const whole = path.includes('body,') || path.endsWith('body');
      json(response, 200, { id: 'id', ...(whole && { body: 'x'.repeat(9_000) }) });
    });
    await using opened = open(server.url, { maxRetries: 0, maxBodyBytes: 5_000 });
    expect(await opened.graph.mailbox('u').messagePiecemeal('a', {}, unhurried())).toMatchObject({
      message: { id: 'id' },
      unreadable: [{ member: 'body', code: 'BodyTooLarge' }],
    });
  });

  test('is whole where it can be read after all', async () => {
    await using server = await scripted(messageWithout({}));
    expect(await readFrom(server)).toEqual({ message: others(), unreadable: [] });
    expect(server.seen).toHaveLength(1);
  });

  test('is missing where it has gone meanwhile', async () => {
    await using server = await scripted((_request, response) => refuse(response, 404, 'ErrorItemNotFound'));
    expect(await readFrom(server)).toBe('missing');
  });

  test('is given up as a whole where not even its id comes and Graph blames the item', async () => {
    await using server = await scripted(messageWithout({ id: [500, 'ErrorCorruptData'] }));
    const outcome = await readFrom(server);
    expect(outcome).toMatchObject({ message: { id: 'a+/=' } });
    if (outcome === 'missing') throw new Error('missing');
    expect(outcome.unreadable.map(({ member }) => member)).toEqual(MESSAGE_MEMBERS.slice(1));
    expect(server.seen).toHaveLength(2);
  });

  test('is not taken for bad in a bad hour of Graph', async () => {
    await using server = await scripted((_request, response) => refuse(response, 500, 'UnknownError'));
    expect(await failureOf(readFrom(server))).toMatchObject({ kind: 'server_error' });
    expect(server.seen).toHaveLength(2);
  });

  test.each([
    [429, 'ApplicationThrottled', 'throttled'],
    [503, 'MailboxInfoStale', 'mailbox_busy'],
    [403, 'ErrorAccessDenied', 'mailbox_denied'],
    [404, 'MailboxNotEnabledForRESTAPI', 'mailbox_missing'],
  ] as const)('is left alone where the mailbox is in trouble: %i %s', async (status, code, kind) => {
    await using server = await scripted(messageWithout({ body: [status, code] }));
    expect(await failureOf(readFrom(server))).toMatchObject({ kind });
    expect(server.seen).toHaveLength(1);
  });
});
