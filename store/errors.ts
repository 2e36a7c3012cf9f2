/** Everything that the store throws on purpose. Messages hold ids and causes, never addresses, mail or SQL. */
export class StoreError extends Error {
  override readonly name: string = 'StoreError';
}

/** The database cannot be reached, is going away, is full or gave up waiting. The same call may succeed later. */
export class StoreUnavailable extends StoreError {
  override readonly name: string = 'StoreUnavailable';
}

/** Someone else reads this mailbox now: whoever meets this must stop, and has changed nothing. */
export class LeaseLost extends StoreError {
  override readonly name = 'LeaseLost';
  constructor(mailboxId: string) {
    super(`the lease of mailbox ${mailboxId} is not held under this token`);
  }
}

/** The page belongs to a round that is no longer the folder's open one: open the round again and go on from there. */
export class RoundLost extends StoreError {
  override readonly name = 'RoundLost';
  constructor(folderId: string) {
    super(`the round is not the open one of folder ${folderId}`);
  }
}

/** Someone else sends to this destination now: whoever meets this must stop, and has settled nothing. */
export class ClaimLost extends StoreError {
  override readonly name = 'ClaimLost';
  constructor(destinationNo: number) {
    super(`the claim of destination number ${destinationNo} is not held under this token`);
  }
}

/** There is a destination that whoever stores mail does not know of: read the list of them anew, and store again. */
export class UnknownTaker extends StoreError {
  override readonly name = 'UnknownTaker';
  constructor() {
    super('there is a destination that was not known when it was decided what is owed');
  }
}

/** The organization has a destination of this name already. */
export class DestinationExists extends StoreError {
  override readonly name = 'DestinationExists';
  constructor() {
    super('the organization has a destination of this name already');
  }
}

/** The organization has a scan of this id already. */
export class ScanExists extends StoreError {
  override readonly name = 'ScanExists';
  constructor(scanId: string) {
    super(`scan ${scanId} exists already`);
  }
}

/** The scan has a final status. */
export class ScanEnded extends StoreError {
  override readonly name = 'ScanEnded';
  readonly status: string;
  constructor(scanNo: number, status: string) {
    super(`scan number ${scanNo} has ended: ${status}`);
    this.status = status;
  }
}

/** Something that was named is not there. */
export class Unknown extends StoreError {
  override readonly name: string = 'Unknown';
}

export class UnknownOrganization extends Unknown {
  override readonly name = 'UnknownOrganization';
  constructor(organizationId: string) {
    super(`organization ${organizationId} is not known`);
  }
}

export class UnknownScan extends Unknown {
  override readonly name = 'UnknownScan';
  constructor(scanNo: number) {
    super(`scan number ${scanNo} is not known`);
  }
}

export class UnknownSession extends Unknown {
  override readonly name = 'UnknownSession';
  constructor(sessionNo: number) {
    super(`session number ${sessionNo} is not known`);
  }
}

export class UnknownDestination extends Unknown {
  override readonly name = 'UnknownDestination';
  constructor(destinationNo: number) {
    super(`destination number ${destinationNo} is not known`);
  }
}

export class UnknownMailbox extends Unknown {
  override readonly name = 'UnknownMailbox';
  constructor(mailboxId: string) {
    super(`mailbox ${mailboxId} is not known`);
  }
}

export class UnknownFolder extends Unknown {
  override readonly name = 'UnknownFolder';
  constructor(folderId: string) {
    super(`folder ${folderId} is not known: save the mailbox's folders first`);
  }
}

export class UnknownTable extends Unknown {
  override readonly name = 'UnknownTable';
  constructor(tables: readonly string[]) {
    super(`the table must be one of ${tables.join(', ')}`);
  }
}

/** The cursor is not one that the store gave out for this table. */
export class InvalidCursor extends StoreError {
  override readonly name = 'InvalidCursor';
  constructor() {
    super('the cursor is not valid for this table');
  }
}

/** The database holds something that this version of Outhaul must not touch; the message says what to do. */
export class IncompatibleDatabase extends StoreError {
  override readonly name = 'IncompatibleDatabase';
}

/**
 * SQLSTATE classes and codes that say nothing about the statement, only about the moment. `57014` is the statement
 * timeout, `55P03` the lock timeout, `40001` and `40P01` are lost races.
 * Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const PASSING_CLASSES = ['08', '53', '58'];
const PASSING_STATES = ['40001', '40P01', '55P03', '57014', '57P01', '57P02', '57P03', '57P04', '25P03', '25P04'];
const SOCKET_ERRORS =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT|EADDRNOTAVAIL|ERR_SSL_.*)$/;
/** What `pg` and its pool throw without a code. */
const CLIENT_ERRORS =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end)/;

/**
 * The one place that tells what a foreign error means: what passes becomes `StoreUnavailable`, everything else (and
 * what is the store's own already) comes back as it is.
 */
export function toStoreError(error: unknown): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error;
  const causes = error instanceof AggregateError ? [error, ...(error.errors as unknown[])] : [error];
  const passing = causes.find(isPassing);
  if (!passing) return error;
  const { code } = passing as { code?: unknown };
  return new StoreUnavailable(
    `the database is not available (${typeof code === 'string' ? code : 'connection lost'})`,
    {
      cause: error,
    },
  );
}

/** The SQLSTATE of an error that PostgreSQL answered. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  return /^(?=.*[0-9])[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const state = sqlState(error);
  if (state !== undefined) return PASSING_STATES.includes(state) || PASSING_CLASSES.includes(state.slice(0, 2));
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? SOCKET_ERRORS.test(code) : CLIENT_ERRORS.test(error.message);
}
