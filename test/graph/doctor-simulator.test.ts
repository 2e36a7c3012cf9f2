import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { examine, type ExaminationRequest } from '../../graph/doctor.ts';
import type { CheckReport } from '../../model/connection-check.ts';
import type { Connection } from '../../model/connection.ts';
import { startSimulator, type Simulator } from '../../simulator/index.ts';
import { unhurried } from './support.ts';

const pem = (name: string): string => readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url), 'utf8');

let simulator: Simulator;
beforeAll(async () => {
  const users = [
    { kind: 'denied' as const, displayName: 'Closed Mailbox', userPrincipalName: 'closed@harbour.example' },
    { kind: 'unlicensed' as const, displayName: 'Without Licence', userPrincipalName: 'without@harbour.example' },
  ];
  const tenant = { mailboxes: 3, messagesPerMailbox: 5, specialUsers: false, users, certificate: pem('certificate') };
  simulator = await startSimulator({ tenant });
});
afterAll(() => simulator.close());

function reportFor(over: Partial<Connection> = {}, request: ExaminationRequest = {}): Promise<CheckReport> {
  const { tenantId, clientId, clientSecret, url } = simulator;
  const credential = { kind: 'secret', clientSecret } as const;
  const connection: Connection = { tenantId, clientId, cloud: 'global', credential, ...over };
  return examine(connection, { graphUrl: url, authorityUrl: url }, request, unhurried());
}

const failures = ({ findings }: CheckReport): (string | undefined)[] =>
  findings.filter(({ status }) => status === 'failed').map(({ name, code }) => `${name} ${code}`);
const findingOf = ({ findings }: CheckReport, name: string) => findings.find((finding) => finding.name === name);

describe('The doctor, against the simulator', () => {
  test('finds nothing wrong with a secret or with a certificate, but tells of a mailbox that a policy closes', async () => {
    const report = await reportFor();
    expect(failures(report)).toEqual([]);
    expect(findingOf(report, 'mailboxes')).toMatchObject({
      status: 'warning',
      meaning: expect.stringContaining('policy') as string,
      requestId: expect.any(String) as string,
    });
    const credential = { kind: 'certificate', certificate: pem('certificate'), privateKey: pem('key') } as const;
    expect(findingOf(await reportFor({ credential }), 'token')).toMatchObject({ status: 'passed' });
  });

  test('tries the mailbox that is named', async () => {
    const [open] = simulator.control.truth.mailboxes().filter(({ readable }) => readable);
    const good = await reportFor({}, { mailbox: open?.id ?? '' });
    expect(good.outcome).toBe('passed');
    expect(failures(await reportFor({}, { mailbox: 'closed@harbour.example' }))).toEqual([
      'mailboxes ErrorAccessDenied',
    ]);
    expect(failures(await reportFor({}, { mailbox: 'without@harbour.example' }))).toEqual([
      'mailboxes MailboxNotEnabledForRESTAPI',
    ]);
  });

  const MISTAKES: readonly (readonly [string, Partial<Connection>, string])[] = [
    ['a wrong secret', { credential: { kind: 'secret', clientSecret: 'wrong' } }, 'token AADSTS7000215'],
    ['an unknown app', { clientId: '00000000-0000-0000-0000-000000000009' }, 'token AADSTS700016'],
    ['an unknown tenant', { tenantId: '00000000-0000-0000-0000-000000000009' }, 'token AADSTS90002'],
    ['a tenant that is none', { tenantId: 'tenant' }, 'token AADSTS900023'],
  ];

  test.each(MISTAKES)('knows %s', async (_name, over, failure) => {
    expect(failures(await reportFor(over))).toEqual([failure]);
  });

  test('knows another cloud, and a certificate that was not uploaded', async () => {
    expect(failures(await reportFor({ cloud: 'gcc-high' }))).toContain('cloud WrongCloud');
    simulator.control.changeTenant({ certificate: null });
    const credential = { kind: 'certificate', certificate: pem('certificate'), privateKey: pem('key') } as const;
    const report = await reportFor({ credential });
    simulator.control.changeTenant({ certificate: pem('certificate') });
    expect(failures(report)).toContain('token AADSTS700027');
  });

  const STATES = [
    ['that is disabled', { app: 'disabled' }, 'token AADSTS7000112', /Enterprise applications/],
    ['that was deleted', { app: 'deleted' }, 'token AADSTS700016', /Application \(client\) id/],
    ['that nobody consented to in the tenant', { app: 'notInTenant' }, 'token AADSTS7000229', /consent/i],
    ['that Conditional Access blocks', { app: 'blocked' }, 'token AADSTS53003', /Conditional Access|Exclude/],
    ['whose secret has expired', { secretExpired: true }, 'token AADSTS7000222', /Make a new one/],
    [
      'without permission to list users',
      { roles: ['Mail.Read'] },
      'User.Read.All Authorization_RequestDenied',
      /tick User/,
    ],
    ['without permission for mail', { roles: ['User.Read.All'] }, 'Mail.Read MailReadMissing', /tick Mail\.Read,/],
  ] as const;

  test.each(STATES)('knows an app %s, and says what to do', async (_name, change, failure, advice) => {
    const { roles, ...rest } = { roles: undefined, ...change };
    simulator.control.changeTenant({ ...rest, ...(roles && { roles: [...roles] }) });
    try {
      const report = await reportFor();
      expect(failures(report)).toContain(failure);
      const [name = ''] = failure.split(' ');
      expect(findingOf(report, name)?.advice).toMatch(advice);
      expect(report.outcome).toBe('failed');
    } finally {
      const good = ['User.Read.All', 'Mail.Read', 'MailboxSettings.Read'] as const;
      simulator.control.changeTenant({ app: 'enabled', secretExpired: false, roles: [...good] });
    }
  });
});
