import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { TruthFolder, TruthMailbox, TruthMessage, TruthSummary } from '../../simulator/index.ts';
import type { TrueBatch, TrueMessage } from './comparison.ts';

/** Messages compared at a time. */
const BATCH = 250;

/** Standard folders that go by their well-known name in every language. */
const NAMED_ALIKE = new Set(['inbox', 'sentitems', 'drafts', 'deleteditems', 'junkemail', 'archive']);

/** What the simulator says that its tenant really holds, by its control API. */
export interface Truth {
  summary(): Promise<TruthSummary>;
  mailboxes(): Promise<TruthMailbox[]>;
  /**
   * Every message of the visible folders, mailbox by mailbox, as it must be stored. Without a scan's id it is no matter which
   * one has stored it, or whether a session has.
   */
  batches(mailboxes: readonly TruthMailbox[], from: { tenantId: string; scanId?: string }): AsyncIterable<TrueBatch>;
}

export function openTruth(simulatorUrl: string, signal: AbortSignal): Truth {
  const ask = async (path: string): Promise<Response> => {
    // Each request has a signal that follows the one: `fetch` leaves a listener behind until memory is collected.
    const response = await fetch(`${simulatorUrl}/_sim/truth/${path}`, { signal: AbortSignal.any([signal]) });
    if (!response.ok) throw new Error(`The simulator answered ${response.status} to ${path}`);
    return response;
  };
  return {
    summary: async () => (await (await ask('summary')).json()) as TruthSummary,
    mailboxes: async () => ((await (await ask('mailboxes')).json()) as { value: TruthMailbox[] }).value,
    async *batches(mailboxes, from) {
      for (const mailbox of mailboxes.filter(({ readable, messages }) => readable && messages > 0)) {
        const origins = originsOf(mailbox, from);
        const { body } = await ask(`messages.ndjson?mailbox=${encodeURIComponent(mailbox.id)}`);
        if (body === null) throw new Error('The simulator answered without a body');
        yield* inBatches(mailbox.id, createInterface({ input: Readable.fromWeb(body), crlfDelay: Infinity }), origins);
      }
    },
  };
}

type Origins = ReadonlyMap<string, TrueMessage['origin']>;

async function* inBatches(
  mailboxId: string,
  lines: AsyncIterable<string>,
  origins: Origins,
): AsyncGenerator<TrueBatch> {
  let messages: TrueMessage[] = [];
  for await (const line of lines) {
    const { folderId, message } = JSON.parse(line) as TruthMessage & Pick<TrueMessage, 'message'>;
    messages.push({ message, origin: origins.get(folderId) ?? {} });
    if (messages.length < BATCH) continue;
    yield { mailboxId, messages };
    messages = [];
  }
  if (messages.length > 0) yield { mailboxId, messages };
}

/** What the columns that say where a row comes from must hold, for each folder. */
function originsOf(mailbox: TruthMailbox, { tenantId, scanId }: { tenantId: string; scanId?: string }): Origins {
  const byId = new Map(mailbox.folders.map((folder) => [folder.id, folder]));
  return new Map(
    mailbox.folders.map((folder) => [
      folder.id,
      {
        ...(scanId !== undefined && { _scan_id: scanId }),
        _tenant_id: tenantId,
        _user_id: mailbox.id,
        _user_email: mailbox.mail ?? mailbox.userPrincipalName,
        _user_display_name: mailbox.displayName,
        _folder: pathOf(folder, byId),
        _extraction_type: 'email',
      },
    ]),
  );
}

/** `inbox/Projects`: display names from the top, standard folders by their well-known names. */
function pathOf(folder: TruthFolder, byId: ReadonlyMap<string, TruthFolder>): string {
  if (folder.wellKnownName !== null && NAMED_ALIKE.has(folder.wellKnownName)) return folder.wellKnownName;
  const parent = byId.get(folder.parentFolderId ?? '');
  if (parent === undefined || parent.wellKnownName === 'msgfolderroot') return folder.displayName;
  return `${pathOf(parent, byId)}/${folder.displayName}`;
}
