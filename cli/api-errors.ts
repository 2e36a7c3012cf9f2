import { z } from 'zod';
import { CommandError } from './errors.ts';
import { EXIT } from './exit-codes.ts';

/** Nobody answers where the API should be, or not in time. */
export class ApiUnreachable extends CommandError {
  override readonly name = 'ApiUnreachable';
}

const ErrorAnswer = z.object({
  message: z.string(),
  error: z.string().optional(),
  reason: z.string().optional(),
  requestId: z.string().optional(),
  details: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});

export type ApiErrorAnswer = z.output<typeof ErrorAnswer>;

/** The API refused a request, in the form that all its errors have. */
export class ApiError extends CommandError {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly answer: ApiErrorAnswer;

  constructor(status: number, answer: ApiErrorAnswer) {
    const advice = adviceFor(status);
    super(inWords(answer), { ...(advice && { advice }), exitCode: status === 503 ? EXIT.unreachable : EXIT.failure });
    this.status = status;
    this.answer = answer;
  }
}

function inWords({ message, error, reason, details = [], requestId }: ApiErrorAnswer): string {
  const lines = [error && reason && error !== message ? `${error}: ${message}` : message];
  if (reason) lines.push(`  ${reason}`);
  for (const detail of details) {
    const line = `${detail.path}: ${detail.message}`;
    if (!message.includes(line)) lines.push(`  ${line}`);
  }
  if (requestId) lines.push(`  request ${requestId} (the API's log has more under this id)`);
  return lines.join('\n');
}

function adviceFor(status: number): string | undefined {
  switch (status) {
    case 401:
      return 'Give an API key: OUTHAUL_API_KEY, --api-key-file, or --data-dir of the `outhaul up` that runs.';
    case 403:
      return "This needs an administrator's key.";
    case 404:
      return '`outhaul status` lists the scans that this key sees.';
    case 503:
      return 'A service that the API needs is down; try again when it is back.';
    default:
      return undefined;
  }
}

/** The error form, if `body` is one. */
export function readErrorAnswer(body: unknown): ApiErrorAnswer | undefined {
  return ErrorAnswer.safeParse(body).data;
}

/** What kept a request from an answer, in words. */
export function unreachable(url: string, error: unknown, deadlineMs: number): ApiUnreachable {
  const told = { exitCode: EXIT.unreachable, cause: error };
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new ApiUnreachable(`${url} did not answer within ${Math.round(deadlineMs / 1000)} s`, {
      ...told,
      advice: 'Is it an Outhaul API, and is it well? Its log tells.',
    });
  }
  const code = codeOf(error);
  if (code === 'ECONNREFUSED') {
    return new ApiUnreachable(`Nothing listens at ${url}`, {
      ...told,
      advice: 'Is `outhaul up` running? --url says where another API is.',
    });
  }
  const why = error instanceof Error ? deepest(error).message : String(error);
  return new ApiUnreachable(`${url} cannot be reached: ${why}`, { ...told, advice: 'Check --url.' });
}

const deepest = (error: Error): Error => (error.cause instanceof Error ? deepest(error.cause) : error);

/** Happy Eyeballs wraps the refusals of each address into an AggregateError that carries the code itself. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return codeOf(error.cause);
}
