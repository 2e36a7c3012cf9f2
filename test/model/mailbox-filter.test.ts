import { describe, expect, it } from 'vitest';
import type { GraphUser } from '../../model/mail.ts';
import { skipReasonOf } from '../../model/mailbox-filter.ts';

const user = (more: Partial<GraphUser>): GraphUser => ({
  id: '11111111-2222-3333-4444-555555555555',
  displayName: null,
  mail: 'Sales@Example.com',
  userPrincipalName: 'sales@example.onmicrosoft.com',
  userType: 'Member',
  accountEnabled: true,
  ...more,
});

describe('which mailboxes a scan wants', () => {
  it('is everyone but guests by default, disabled accounts included, for shared mailboxes are such', () => {
    expect(skipReasonOf(user({ accountEnabled: false, mail: null }), undefined)).toBeUndefined();
    expect(skipReasonOf(user({ userType: 'Guest' }), undefined)).toBe('guest');
    expect(skipReasonOf(user({ userPrincipalName: 'x_partner.org#EXT#@example.onmicrosoft.com' }), undefined)).toBe(
      'guest',
    );
  });

  it.each([
    'SALES@example.com',
    'sales@example.onmicrosoft.com',
    'example.com',
    '@Example.com',
    '11111111-2222-3333-4444-555555555555',
  ])('can be said by address, principal name, domain or id: %s', (wanted) => {
    expect(skipReasonOf(user({}), { include: [wanted] })).toBeUndefined();
    expect(skipReasonOf(user({}), { exclude: [wanted] })).toBe('excluded');
    expect(skipReasonOf(user({}), { include: [wanted], exclude: [wanted] })).toBe('excluded');
  });

  it('leaves out who is not named, and does not take the end of a domain for the domain', () => {
    expect(skipReasonOf(user({}), { include: ['other.org'] })).toBe('not_included');
    expect(skipReasonOf(user({}), { include: ['ample.com'] })).toBe('not_included');
    expect(skipReasonOf(user({}), { include: [] })).toBeUndefined();
  });
});
