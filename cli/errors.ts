import { EmbeddedServiceError } from '../embedded/errors.ts';
import { ConfigError } from '../config/config.ts';
import { KeyRingError } from '../config/key-ring.ts';
import { StoreUnavailable } from '../store/errors.ts';
import { EXIT } from './exit-codes.ts';

export interface CommandErrorOptions {
  /** What to do next, in a sentence or two. */
  readonly advice?: string;
  readonly exitCode?: number;
  readonly cause?: unknown;
}

/** A command ended without success for a reason that can be told: what happened, and what to do next. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';
  readonly exitCode: number;
  readonly advice: string | undefined;

  constructor(message: string, { advice, exitCode = EXIT.failure, cause }: CommandErrorOptions = {}) {
    super(message, { cause });
    this.advice = advice;
    this.exitCode = exitCode;
  }
}

/** The command line asks for something that cannot be. */
export class UsageError extends CommandError {
  override readonly name = 'UsageError';
  constructor(message: string, advice?: string) {
    super(message, { exitCode: EXIT.usage, ...(advice !== undefined && { advice }) });
  }
}

/** What is told about an error, and the exit code that goes with it. */
export interface Explanation {
  readonly message: string;
  readonly advice?: string | undefined;
  readonly exitCode: number;
}

/** The one place that decides what a person is told about an error. Never a stack: that is for `LOG_LEVEL=debug`. */
export function explain(error: unknown): Explanation {
  if (error instanceof CommandError) return error;
  if (error instanceof ConfigError) {
    return { message: error.message, advice: '`outhaul config` shows every setting.', exitCode: EXIT.usage };
  }
  if (error instanceof KeyRingError) return { message: error.message, exitCode: EXIT.usage };
  if (error instanceof EmbeddedServiceError) return { message: error.message, exitCode: EXIT.machine };
  if (isFileError(error)) return explainFileError(error);
  if (error instanceof StoreUnavailable) {
    return { message: sentence(error.message), advice: `Is it running? ${DATABASE_ADVICE}`, exitCode: EXIT.failure };
  }
  if (isDatabaseError(error)) {
    return { message: `PostgreSQL refuses: ${error.message}`, advice: DATABASE_ADVICE, exitCode: EXIT.failure };
  }
  if (error instanceof Error) {
    const exitCode = 'exitCode' in error && typeof error.exitCode === 'number' ? error.exitCode : EXIT.failure;
    return { message: error.message || error.name, exitCode, ...(!hasWords(error) && { advice: UNFORESEEN }) };
  }
  return { message: String(error), advice: UNFORESEEN, exitCode: EXIT.failure };
}

const DATABASE_ADVICE = 'Check DATABASE_URL (or DB_HOST, DB_USER, DB_PASSWORD and DB_NAME).';
const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const UNFORESEEN = 'This was not foreseen. LOG_LEVEL=debug shows where it happened.';

/** Our own errors are written for people; those of the language and of libraries are not. */
const hasWords = (error: Error): boolean =>
  !/^(Error|TypeError|RangeError|ReferenceError|SyntaxError)$/.test(error.name);

/** What PostgreSQL itself says, such as that a password is wrong: it comes with a severity. */
const isDatabaseError = (error: unknown): error is Error => error instanceof Error && 'severity' in error;

function isFileError(error: unknown): error is NodeJS.ErrnoException & { path: string } {
  return error instanceof Error && 'code' in error && 'path' in error && typeof error.path === 'string';
}

const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be used by this user',
  EPERM: 'may not be used by this user',
  EISDIR: 'is a folder, a file is wanted',
  ENOTDIR: 'is not a folder',
  ENOSPC: 'cannot be written: the disk is full',
  EROFS: 'cannot be written: the disk is read-only',
};

function explainFileError(error: NodeJS.ErrnoException & { path: string }): Explanation {
  const what = FILE_ERRORS[error.code ?? ''];
  if (error.syscall?.startsWith('spawn')) return { message: error.message, exitCode: EXIT.machine };
  return { message: what ? `${error.path} ${what}` : error.message, exitCode: EXIT.machine };
}
