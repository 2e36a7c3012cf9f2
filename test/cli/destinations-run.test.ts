import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureOrganization } from '../../store/organizations.ts';
import { openApiStage, type ApiStage } from '../api/support/stage.ts';
import { startReceiver, type Receiver } from '../destinations/support/receiver.ts';
import { runCli, type RunResult } from './fake-cli.ts';

describe('outhaul destinations, against a running API', () => {
  let stage: ApiStage;
  let receiver: Receiver;
  let organizationId: string;
  beforeAll(async () => {
    [stage, receiver] = await Promise.all([openApiStage(), startReceiver()]);
    organizationId = stage.organization('by-hand');
    await ensureOrganization(stage.db, organizationId);
  });
  afterAll(async () => {
    await Promise.all([stage?.close(), receiver?.close()]);
  });

  const outhaul = (...args: string[]): Promise<RunResult> =>
    runCli([...args, '--url', stage.api.url], {
      env: { OUTHAUL_API_KEY: stage.adminKey, DESTINATION_TOKEN: 'T0ken-of-the-utility' },
    });
  const succeed = async (...args: string[]): Promise<string> => {
    const { code, out, notes } = await outhaul(...args);
    expect({ code, notes }, args.join(' ')).toMatchObject({ code: 0 });
    expect(out + notes).not.toContain('T0ken');
    return out + notes;
  };

  it('one is made, shown, tested, changed, paused, resumed, replayed and deleted', async () => {
    const where = [
      '--kind',
      'utility',
      '--endpoint',
      receiver.url,
      '--allow-private',
      '--organization',
      organizationId,
    ];
    expect(await succeed('destinations', 'create', 'invoices', ...where, '--with-token')).toMatch(/\n {2}whsec_/);
    expect(await succeed('destinations', 'list')).toMatch(/^invoices .* utility +active/m);
    expect(await succeed('destinations', 'test', 'invoices')).toContain('invoices is healthy');
    expect(receiver.received[0]?.headers.authorization).toBe('Bearer T0ken-of-the-utility');
    const filters = ['--sender', 'company.com', '--max-attachment-size', '10MB'];
    expect(await succeed('destinations', 'change', 'invoices', ...filters)).toBe('Destination invoices is changed.\n');
    expect(await succeed('destinations', 'change', 'invoices', '--direction', 'sent', '--new-signing-key')).toMatch(
      /whsec_/,
    );
    expect(await succeed('destinations', 'show', 'invoices')).toContain(
      '{"sender":["company.com"],"direction":"sent","maxAttachmentBytes":10000000}',
    );
    expect(await succeed('destinations', 'pause', 'invoices')).toBe('Destination invoices is paused.\n');
    expect(await succeed('destinations', 'resume', 'invoices')).toBe('Destination invoices is resumed.\n');
    expect(await succeed('destinations', 'replay', 'invoices', '--since', '2026-01-01')).toContain('once more');
    expect(await succeed('destinations', 'delete', 'invoices')).toBe('Destination invoices is removed.\n');
  });

  it('what the API refuses is told in its words', async () => {
    const create = (...more: string[]) => outhaul('destinations', 'create', 'bad', '--kind', 'utility', ...more);
    expect((await create()).notes).toMatch(/settings\.endpoint/);
    expect((await create('--endpoint', 'https://169.254.169.254')).notes).toMatch(/never allowed/);
    const foreign = await create('--endpoint', 'https://93.184.215.14', '--batch-items', '3');
    expect(foreign).toMatchObject({ code: 1, notes: expect.stringContaining('settings.batchItems: is not') as string });
  });

  it('dead letters are listed, counted, retried and dropped where there are none', async () => {
    const of = ['--organization', organizationId];
    for (const command of ['list', 'causes']) {
      expect(await succeed('dead-letters', command, ...of)).toBe('There is no dead letter.\n');
    }
    expect(await succeed('dead-letters', 'retry', '--all', ...of)).toBe('0 dead letters are sent again.\n');
    expect(await succeed('dead-letters', 'drop', '7', ...of)).toBe('0 dead letters are dropped.\n');
    const unknown = await outhaul('dead-letters', 'show', '7', ...of);
    expect(unknown).toMatchObject({ code: 1, notes: expect.stringContaining('Dead letter 7 is not known') as string });
  });
});
