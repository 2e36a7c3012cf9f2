import { randomBytes, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { DataFolder } from '../../embedded/data-folder.ts';
import { freePort } from '../../embedded/ports.ts';
import type { TenantChoice } from '../commands/simulate.ts';
import { answersAt, startOuthaulProcess, type OuthaulProcessOptions } from '../stack/outhaul-process.ts';
import type { Service } from '../stack/service.ts';

/** The simulated tenant, as whoever scans it must name it. */
export interface Tenant {
  readonly url: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Names for a tenant that does not run yet. */
export async function nameTenant(): Promise<Tenant> {
  return {
    url: `http://127.0.0.1:${await freePort()}`,
    tenantId: randomUUID(),
    clientId: randomUUID(),
    clientSecret: randomBytes(24).toString('base64url'),
  };
}

/** Runs the tenant, in a process of its own so that it takes nothing from those that are measured. */
export async function startTenant(
  tenant: Tenant,
  { seed, mailboxes, messages, latency, mail }: TenantChoice,
  { folder, ...options }: Pick<OuthaulProcessOptions, 'env' | 'say' | 'signal'> & { readonly folder: DataFolder },
): Promise<Service> {
  const secretFile = folder.path('client-secret');
  await writeFile(secretFile, tenant.clientSecret, { mode: 0o600 });
  const choice = {
    ...{ seed, mailboxes, messages, latency },
    mail: mail === undefined ? undefined : resolve(mail),
    port: new URL(tenant.url).port,
    'tenant-id': tenant.tenantId,
    'client-id': tenant.clientId,
    'client-secret-file': secretFile,
  };
  const args = Object.entries(choice).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  );
  return startOuthaulProcess({
    ...options,
    name: 'The simulator',
    args: ['simulate', ...args],
    logFile: folder.path('logs/simulator.log'),
    isReady: answersAt(`${tenant.url}/_sim/truth/summary`),
  });
}
