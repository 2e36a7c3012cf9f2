import { differingColumns, type JsonObject, type StoredRow } from './expected-email.ts';

/** A message that the scan had to store, and where it lies. */
export interface TrueMessage {
  /** As Graph answers it, whole. */
  readonly message: JsonObject & { readonly id: string };
  /** What the columns that say where a row comes from must hold, by their names. */
  readonly origin: Readonly<Record<string, string | null>>;
}

/** Some messages of one mailbox. */
export interface TrueBatch {
  readonly mailboxId: string;
  readonly messages: readonly TrueMessage[];
}

/** One fault that was found, without mail in it. */
export interface Finding {
  readonly kind: 'missing' | 'duplicated' | 'different';
  readonly mailboxId: string;
  readonly id: string;
  /** Which columns differ. */
  readonly columns?: readonly string[];
}

export interface Comparison {
  /** Messages of the ground truth. */
  readonly messages: number;
  /** Rows that stand for one of them, each counted once. */
  readonly stored: number;
  /** Messages without a row. */
  readonly missing: number;
  /** Rows beyond the first for a message. */
  readonly duplicated: number;
  /** Messages whose row does not say what Graph says. */
  readonly different: number;
  /** `stored`, by the mailbox's id. */
  readonly storedByMailbox: ReadonlyMap<string, number>;
  /** The first faults that were found. */
  readonly findings: readonly Finding[];
}

export interface CompareOptions {
  /** The ground truth, in batches of at most a few hundred messages. */
  readonly truth: AsyncIterable<TrueBatch>;
  /** The rows of one mailbox with these ids. */
  readonly lookUp: (mailboxId: string, ids: readonly string[]) => Promise<readonly StoredRow[]>;
  readonly onProgress?: (messages: number) => void;
}

const FINDINGS_KEPT = 20;

/**
 * Compares every message of the ground truth, and every field of it, with what is stored. Memory holds a batch and the
 * next, whatever the size of the tenant.
 */
export async function compareWithTruth({ truth, lookUp, onProgress }: CompareOptions): Promise<Comparison> {
  const tally = new Tally();
  for await (const batch of truth) {
    const rows = await lookUp(
      batch.mailboxId,
      batch.messages.map(({ message }) => message.id),
    );
    tally.addBatch(batch, rows);
    onProgress?.(tally.messages);
  }
  return tally;
}

class Tally implements Comparison {
  messages = 0;
  stored = 0;
  missing = 0;
  duplicated = 0;
  different = 0;
  readonly storedByMailbox = new Map<string, number>();
  readonly findings: Finding[] = [];

  addBatch({ mailboxId, messages }: TrueBatch, rows: readonly StoredRow[]): void {
    const byId = new Map<unknown, StoredRow[]>();
    for (const row of rows) byId.set(row['id'], [...(byId.get(row['id']) ?? []), row]);
    for (const { message, origin } of messages) {
      const { id } = message;
      const found = byId.get(id) ?? [];
      this.messages += 1;
      const [row] = found;
      if (row === undefined) {
        this.missing += 1;
        this.note({ kind: 'missing', mailboxId, id });
        continue;
      }
      this.stored += 1;
      this.storedByMailbox.set(mailboxId, (this.storedByMailbox.get(mailboxId) ?? 0) + 1);
      if (found.length > 1) {
        this.duplicated += found.length - 1;
        this.note({ kind: 'duplicated', mailboxId, id });
      }
      const columns = [...differingColumns(message, row), ...differingOrigin(origin, row)];
      if (columns.length > 0) {
        this.different += 1;
        this.note({ kind: 'different', mailboxId, id, columns });
      }
    }
  }

  private note(finding: Finding): void {
    if (this.findings.length < FINDINGS_KEPT) this.findings.push(finding);
  }
}

function differingOrigin(origin: TrueMessage['origin'], row: StoredRow): string[] {
  return Object.entries(origin).flatMap(([column, expected]) => ((row[column] ?? null) === expected ? [] : [column]));
}
