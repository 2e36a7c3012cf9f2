import { pause } from '../embedded/pause.ts';
import type { ApiClient, SessionMessagesAnswer } from './api-client.ts';
import { ApiError, ApiUnreachable } from './api-errors.ts';
import type { Cli } from './cli.ts';
import type { WatchCommandOptions } from './commands/watch.ts';
import { CommandError } from './errors.ts';
import { safeJson, safeLine } from './text/safe-text.ts';

/** Between two questions where nothing has come. */
const EVERY_MS = 500;
const PAGE = 500;

type Message = SessionMessagesAnswer['messages'][number];

/**
 * Prints each message that the session sees, until the session ends. An API that is away for a while is waited for: it
 * goes on where it was.
 * @throws {CommandError} where no session runs
 * @throws {Interrupted} at Ctrl-C
 */
export async function watchMessages(
  { out, notes, interrupts }: Cli,
  api: ApiClient,
  { all = false, json = false }: WatchCommandOptions,
): Promise<void> {
  const { signal } = interrupts;
  let cursor: string | undefined;
  let isAway = false;
  while (!out.isClosed) {
    signal.throwIfAborted();
    try {
      const page = await api.sessionMessages({ limit: PAGE, cursor, from: all ? 'start' : 'now' });
      if (cursor === undefined) notes.line('Waiting for mail. Ctrl-C ends it.');
      if (isAway) notes.line('The API answers again.');
      isAway = false;
      cursor = page.cursor;
      for (const message of page.messages) await out.write(`${json ? safeJson(message) : lineOf(message)}\n`);
      if (page.has_more) continue;
    } catch (error) {
      if (isOver(error, cursor)) {
        if (cursor === undefined) throw new CommandError(error.message, { advice: START, cause: error });
        return notes.line('The session has ended.');
      }
      if (cursor === undefined) throw error;
      if (!(error instanceof ApiUnreachable) && !(error instanceof ApiError && error.status === 503)) throw error;
      if (!isAway) notes.line('The API is away; waiting for it.');
      isAway = true;
    }
    await pause(EVERY_MS, signal);
  }
}

const START = '`outhaul session start` starts one.';

/** No session runs, or another one than the cursor's. */
const isOver = (error: unknown, cursor: string | undefined): error is ApiError =>
  error instanceof ApiError && (error.status === 409 || (error.status === 400 && cursor !== undefined));

/** `2026-11-21 09:00:49  ada@contoso.example  inbox  sender@fabrikam.example  Subject` */
const lineOf = (message: Message): string =>
  [
    (message.received_date_time ?? message.stored_at).slice(0, 19).replace('T', ' '),
    message.mailbox ?? message.mailbox_id,
    message.folder ?? '',
    message.from_address ?? '',
    message.subject ?? '',
  ]
    .map(safeLine)
    .join('  ');
