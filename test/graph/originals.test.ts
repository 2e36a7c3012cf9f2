import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { scripted } from './scripted-server.ts';
import { failureOf, open, unhurried } from './support.ts';

describe('The original of a message', () => {
  test('is asked for by its id alone, and handed on as it comes', async () => {
    await using server = await scripted((_, response) => void response.end('Subject: Hello'));
    await using opened = open(server.url);
    const bytes = await opened.graph.mailbox('u').original('a/b+c=', buffer, unhurried());
    expect(String(bytes)).toBe('Subject: Hello');
    expect(server.seen[0]).toMatchObject({
      path: '/v1.0/users/u/messages/a%2Fb%2Bc%3D/$value',
      headers: { prefer: 'IdType="ImmutableId"' },
    });
  });

  test('of a message that is not there is said so', async () => {
    await using server = await scripted((_, response) => {
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { code: 'ErrorItemNotFound', message: '' } }));
    });
    await using opened = open(server.url);
    const failure = await failureOf(opened.graph.mailbox('u').original('gone', buffer, unhurried()));
    expect(failure).toMatchObject({ kind: 'item_missing', code: 'ErrorItemNotFound' });
  });
});
