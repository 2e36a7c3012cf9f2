import { mayHaveAttachments, owingOf } from '../model/destination-filters.ts';
import type { EmailRow } from '../model/email.ts';
import type { Destination } from '../store/destinations.ts';
import { UnknownTaker } from '../store/errors.ts';
import type { OwedTo } from '../store/owing.ts';
import { writeMessages, writePage, type FolderMessages, type Page, type PageResult } from '../store/pages.ts';
import type { ReadingContext } from './folder-reader.ts';

/** What only the context knows. */
type Context = 'mailboxId' | 'leaseToken' | 'scanId' | 'content' | 'owes' | 'destinationNos';

export type StoringContext = Pick<
  ReadingContext,
  'db' | 'organization' | 'mailboxAddress' | 'leaseToken' | 'scanId' | 'content' | 'urgency' | 'outbox'
> & { readonly mailbox: { readonly id: string } };

/**
 * As `writePage` of the store: what is new in it, or a draft no more, is owed to the organization's destinations, and these
 * are woken.
 */
export const storePage = (context: StoringContext, page: Omit<Page, Context>): Promise<PageResult> =>
  store(context, page.folder, (common) => writePage(context.db, context.organization, { ...page, ...common }));

/** The same of messages that were read by id, as `writeMessages`. */
export const storeMessages = (context: StoringContext, messages: Omit<FolderMessages, Context>): Promise<PageResult> =>
  store(context, messages.folder, (common) =>
    writeMessages(context.db, context.organization, { ...messages, ...common }),
  );

async function store(
  context: StoringContext,
  folder: FolderMessages['folder'],
  write: (common: Pick<FolderMessages, Context>) => Promise<PageResult>,
): Promise<PageResult> {
  const { mailbox, leaseToken, scanId, content, outbox } = context;
  for (let destinations = await outbox.destinations(); ;) {
    const owes = destinations.length === 0 ? undefined : owesOf(context, folder.path, destinations);
    const destinationNos = destinations.map(({ destinationNo }) => destinationNo);
    try {
      const result = await write({ mailboxId: mailbox.id, leaseToken, scanId, content, owes, destinationNos });
      outbox.wakes(result.owed ?? []);
      return result;
    } catch (error) {
      // One was made a moment ago.
      if (!(error instanceof UnknownTaker)) throw error;
      destinations = await outbox.renewed(destinations);
    }
  }
}

/** To which destinations a message that is stored now is owed. */
export const owesOf =
  (
    { mailbox, mailboxAddress, urgency }: Pick<StoringContext, 'mailbox' | 'mailboxAddress' | 'urgency'>,
    folderPath: string,
    destinations: readonly Destination[],
  ) =>
  (email: EmailRow): OwedTo[] => {
    const message = {
      email,
      mayHaveAttachments: mayHaveAttachments(email),
      mailbox: { id: mailbox.id, address: mailboxAddress },
      folderPath,
    };
    return destinations.flatMap((destination) => {
      const owing = owingOf(destination, message);
      return owing === 'nothing' ? [] : { destinationNo: destination.destinationNo, owing, urgency };
    });
  };
