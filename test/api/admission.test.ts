import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { admit, OutcomeUnknown } from '../../api/admission.ts';
import type { ApiParts } from '../../api/parts.ts';
import type { ScanWorkflows } from '../../api/scan-workflows.ts';

const scan = {
  organizationId: 'contoso',
  scanId: 'scan-1',
  scanNo: 1,
  mode: 'full',
  filters: { folders: ['inbox'] },
} as const;
const log = pino({ level: 'silent' });
const away = new Error('Temporal is away');

const partsWith = (workflows: Partial<ScanWorkflows>): ApiParts =>
  ({
    workflows: { admit: () => Promise.reject(away), ...workflows },
    config: { mailboxesAtOnce: 40 },
    closing: new AbortController().signal,
  }) as unknown as ApiParts;

describe('a start that fails', () => {
  it('is no start where Temporal knows of no workflow', async () => {
    const parts = partsWith({ describe: () => Promise.resolve(undefined) });
    await expect(admit(parts, scan, log)).rejects.toBe(away);
  });

  it('leaves a scan that waits where its workflow runs', async () => {
    const parts = partsWith({ describe: () => Promise.resolve({ runId: 'r', status: 'RUNNING' }) });
    expect(await admit(parts, scan, log)).toEqual({ status: 'pending' });
  });

  it('has an unknown outcome where Temporal cannot say, and tells what to do', async () => {
    const parts = partsWith({ describe: () => Promise.reject(away) });
    const outcome = admit(parts, scan, log);
    await expect(outcome).rejects.toBeInstanceOf(OutcomeUnknown);
    await expect(outcome).rejects.toMatchObject({
      status: 503,
      message: expect.stringContaining('detect-crashed') as string,
    });
  });
});
