import { describe, expect, it } from 'vitest';
import { schemaName } from '../../model/schema-name.ts';

describe('schemaName', () => {
  it.each([
    ['acme', 'outlook_emails_acme'],
    ['test-tenant-123', 'outlook_emails_test_tenant_123'],
    ['Contoso.Example', 'outlook_emails_contoso_example'],
    ['a_b', 'outlook_emails_a_b'],
  ])('writes %s as operators expect it', (id, name) => {
    expect(schemaName(id)).toBe(name);
  });

  it.each([
    `x"; DROP SCHEMA public CASCADE; --`,
    `x'`,
    'x\u0000y',
    '\ud800',
    '$1',
    'İstanbul',
    '日本',
    '🙂',
    '../..',
    ' ',
    '',
    'x'.repeat(10_000),
  ])('lets nothing break out: %j', (id) => {
    for (const attempt of [0, 1, 2]) expect(schemaName(id, attempt)).toMatch(/^outlook_emails_[a-z0-9_]{1,48}$/);
  });

  it('is never cut by PostgreSQL, and tells long ids apart that begin alike', () => {
    const [one, two] = [`${'x'.repeat(99)}1`, `${'x'.repeat(99)}2`];
    expect(Buffer.byteLength(schemaName(one))).toBeLessThanOrEqual(63);
    expect(schemaName(one)).not.toBe(schemaName(two));
    expect(schemaName('x'.repeat(48))).toBe(`outlook_emails_${'x'.repeat(48)}`);
    expect(schemaName('x'.repeat(49))).toMatch(/^outlook_emails_x{39}_[0-9a-f]{8}$/);
  });

  it('has another answer for every attempt, and always the same one', () => {
    const names = [0, 1, 2, 3, 4].map((attempt) => schemaName('a-b', attempt));
    expect(new Set(names).size).toBe(5);
    expect(names).toEqual([0, 1, 2, 3, 4].map((attempt) => schemaName('a-b', attempt)));
    expect(schemaName('a-b', 1)).not.toBe(schemaName('a.b', 1));
  });
});
