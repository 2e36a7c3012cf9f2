import { describe, expect, test } from 'vitest';
import { LinkGuard, pathOfLink } from '../../graph/links.ts';
import { segment, withQuery } from '../../graph/paths.ts';

const ORIGIN = 'https://graph.microsoft.com';

describe('A link of Graph', () => {
  test.each([
    "/v1.0/users/u/mailFolders('AAMk=')/messages/delta?$skiptoken=a%2Bb+c",
    '/v1.0/users?$top=5&$skiptoken=RFNwdAo%3d&x',
    '/v1.0/users/u/mailFolders/AAMk%3D/messages?%24skip=10',
    '/',
  ])('is followed unchanged: %s', (path) => {
    expect(pathOfLink(ORIGIN + path, ORIGIN)).toBe(path);
    expect(pathOfLink(`https://GRAPH.microsoft.com:443${path}`, ORIGIN)).toBe(path);
  });

  test('has characters encoded that no request line can hold, and no fragment', () => {
    expect(pathOfLink(`${ORIGIN}/v1.0/a b?q=é`, ORIGIN)).toBe('/v1.0/a%20b?q=%C3%A9');
    expect(pathOfLink(`${ORIGIN}/v1.0/x?q=1#part`, ORIGIN)).toBe('/v1.0/x?q=1');
  });

  test.each([
    'https://graph.microsoft.com.evil.example/v1.0/users',
    'https://graph.microsoft.com@evil.example/v1.0/users',
    'https://user@graph.microsoft.com/v1.0/users',
    'http://graph.microsoft.com/v1.0/users',
    'https://graph.microsoft.com:8443/v1.0/users',
    'https://evil.example/?https://graph.microsoft.com/',
    '//graph.microsoft.com/v1.0',
    '/v1.0/users',
    'javascript:alert(1)',
    '',
  ])('is not followed away from Graph: %s', (link) => {
    expect(() => pathOfLink(link, ORIGIN)).toThrow(expect.objectContaining({ code: 'ForeignLink', retryable: false }));
  });

  test('is refused the second time within one walk', () => {
    const guard = new LinkGuard();
    for (let page = 0; page < 1_000; page += 1) guard.pass(`${ORIGIN}/v1.0/users?$skiptoken=${page}`);
    expect(() => guard.pass(`${ORIGIN}/v1.0/users?$skiptoken=500`)).toThrow(
      expect.objectContaining({ code: 'LinkLoop', retryable: true }),
    );
  });
});

describe('A path', () => {
  test.each([
    ["a'b", 'a%27b'],
    ['a;b/c', 'a%3Bb%2Fc'],
    ['AAMk+/=', 'AAMk%2B%2F%3D'],
    ['a(b)', 'a%28b%29'],
    ['ü 💌', '%C3%BC%20%F0%9F%92%8C'],
    ['x'.repeat(1_000), 'x'.repeat(1_000)],
    ['ada#EXT#@harbour.example', 'ada%23EXT%23%40harbour.example'],
  ])('holds the id %j as one segment', (id, expected) => {
    expect(segment(id)).toBe(expected);
  });

  test.each([[''], ['.'], ['..'], ['\ud800']])('cannot hold the id %j', (id) => {
    expect(() => segment(id)).toThrow(expect.objectContaining({ kind: 'bad_request' }));
  });

  test('has a query with its values encoded and its commas plain', () => {
    const query = { $select: 'id,from', $filter: "a ge 1 & b eq 'x'", $top: 5, $count: undefined };
    expect(withQuery('/users', query)).toBe("/users?$select=id,from&$filter=a%20ge%201%20%26%20b%20eq%20'x'&$top=5");
    expect(withQuery('/users', {})).toBe('/users');
  });
});
