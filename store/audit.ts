import type { Json } from '../model/mail.ts';
import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';

export interface AuditEntry {
  /** Who: `key:7`, `local`, `system`. */
  readonly actor: string;
  /** Null for what concerns no single organization. */
  readonly organizationId: string | null;
  /** What was done, as in `scan.start`. */
  readonly action: string;
  /** What it was done to. */
  readonly target?: string | undefined;
  /** Neither secrets nor personal data. */
  readonly details?: Json | undefined;
}

/** Writes down who did what, for good. */
export async function recordAudit(
  db: Database,
  { actor, organizationId, action, target, details }: AuditEntry,
): Promise<void> {
  await query(db, {
    text: `INSERT INTO outhaul.audit_log (actor, organization_id, action, target, details)
      VALUES ($1, $2, $3, $4, $5)`,
    values: [
      actor,
      organizationId,
      action,
      target === undefined ? null : storableText(target),
      details === undefined ? null : JSON.stringify(details),
    ],
  });
}
