import type { CheckOutcome, CheckReport, Finding } from '../../model/connection-check.ts';
import type { GraphError } from '../errors.ts';

/** A finding before the report is made of it. */
export interface Judged extends Finding {
  /** For a failed one: Microsoft gave no answer that says anything of the connection, and may do so later. */
  readonly isPassing?: boolean;
}

/** Microsoft's pages about what can be missing. */
export const PAGES = {
  errors: 'https://learn.microsoft.com/entra/identity-platform/reference-error-codes',
  credentials: 'https://learn.microsoft.com/entra/identity-platform/how-to-add-credentials',
  register: 'https://learn.microsoft.com/entra/identity-platform/quickstart-register-app',
  tenant: 'https://learn.microsoft.com/entra/fundamentals/how-to-find-tenant',
  consent: 'https://learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent',
  disabled: 'https://learn.microsoft.com/entra/identity/enterprise-apps/disable-user-sign-in-portal',
  conditionalAccess: 'https://learn.microsoft.com/entra/identity/conditional-access/workload-identity',
  permissions: 'https://learn.microsoft.com/graph/permissions-reference',
  clouds: 'https://learn.microsoft.com/graph/deployments',
  network: 'https://learn.microsoft.com/microsoft-365/enterprise/urls-and-ip-address-ranges',
  accessPolicy: 'https://learn.microsoft.com/graph/auth-limit-mailbox-access',
  rbac: 'https://learn.microsoft.com/exchange/permissions-exo/application-rbac',
} as const;

type Words = Omit<Judged, 'name' | 'status'>;

export const passed = (name: string, meaning: string): Judged => ({ name, status: 'passed', meaning });
export const skipped = (name: string, meaning: string): Judged => ({ name, status: 'skipped', meaning });
export const warning = (name: string, words: Words): Judged => ({ name, status: 'warning', ...words });
export const failed = (name: string, words: Words): Judged => ({ name, status: 'failed', ...words });

/** What identifies an error to Microsoft's support. */
export const traces = ({ code, requestId }: GraphError): Pick<Finding, 'code' | 'requestId'> => ({
  code,
  ...(requestId !== undefined && { requestId }),
});

/** The report of all findings. One that is settled outweighs one that may pass. */
export function reportOf(judged: readonly Judged[], expiresAt?: string): CheckReport {
  const findings = judged.map(({ isPassing: _, ...finding }): Finding => finding);
  return { outcome: outcomeOf(judged), findings, ...(expiresAt !== undefined && { expiresAt }) };
}

function outcomeOf(judged: readonly Judged[]): CheckOutcome {
  const failures = judged.filter(({ status }) => status === 'failed');
  if (failures.some(({ isPassing }) => !isPassing)) return 'failed';
  if (failures.length > 0) return 'unreachable';
  return judged.some(({ status }) => status === 'warning') ? 'warning' : 'passed';
}
