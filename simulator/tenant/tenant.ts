import { AttachmentPlan } from '../mail/attachment-plan.ts';
import { MailGenerator } from '../mail/generator.ts';
import { MailboxIds } from '../mail/ids.ts';
import type { MailFile } from '../mail/mail-files.ts';
import { oddRecords } from '../mail/odd.ts';
import { type Person, recipientBytes } from '../mail/people.ts';
import type { MessageRecord } from '../mail/record.ts';
import { hash, seedFor, shareOut } from '../mail/rng.ts';
import { emptyFolder } from './changes.ts';
import type { Folder } from './folder.ts';
import { LANGUAGE_OF, plainPlan, variedPlan } from './folder-plan.ts';
import { Journal } from './journal.ts';
import { Mailbox } from './mailbox.ts';
import type { TenantPlan } from './options.ts';
import { isReadable, makeUsers, type User } from './users.ts';

const THREE_YEARS = 3 * 365 * 86_400;

/** The simulated tenant: its users and, made when they are first looked at, their mailboxes. */
export class Tenant {
  readonly plan: TenantPlan;
  readonly users: readonly User[];
  /** Users whose mailbox the application may read. */
  readonly readable: readonly User[];
  /** What happened to messages since the start. */
  readonly journal = new Journal();
  readonly #generator: MailGenerator;
  readonly #files: readonly MailFile[];
  readonly #odd: readonly MessageRecord[];
  readonly #mailboxes = new Map<number, Mailbox>();
  readonly #byKey = new Map<string, User>();

  constructor(plan: TenantPlan, files: readonly MailFile[]) {
    this.plan = plan;
    this.#files = files;
    this.#odd = oddRecords(plan.domain);
    this.users = makeUsers(plan, this.#shares());
    this.readable = this.users.filter(isReadable);
    const colleagues = this.readable.slice(0, 64).map(personOf);
    const attachments = plan.attachments && new AttachmentPlan(plan.seed, plan.attachments);
    this.#generator = new MailGenerator(plan.seed, plan.domain, plan.bodyBytes, colleagues, attachments);
    for (const user of this.users) {
      this.#byKey.set(user.id, user);
      this.#byKey.set(user.userPrincipalName.toLowerCase(), user);
    }
  }

  /** Finds a user by id or user principal name, in any case. */
  user(key: string): User | undefined {
    return this.#byKey.get(key.toLowerCase());
  }

  /** The mailbox of a readable user. */
  mailbox(user: User): Mailbox {
    let mailbox = this.#mailboxes.get(user.index);
    if (!mailbox) {
      const made = this.#makeMailbox(user);
      mailbox = made;
      mailbox.onChange = (change) => this.journal.note(user, made, change);
      this.#mailboxes.set(user.index, mailbox);
    }
    return mailbox;
  }

  /** How many messages each generated mailbox has. */
  #shares(): number[] {
    const { mailboxes, messages, messagesPerMailbox, seed } = this.plan;
    if (messagesPerMailbox !== undefined) return new Array<number>(mailboxes).fill(messagesPerMailbox);
    const shares = seedFor(seed, 'shares');
    return shareOut(
      messages,
      Array.from({ length: mailboxes }, (_, index) => 2 + (hash(shares, index) % 9)),
    );
  }

  #makeMailbox(user: User): Mailbox {
    const seed = hash(seedFor(this.plan.seed, 'mailboxes'), user.index);
    const ids = new MailboxIds(seed);
    const folders = this.#makeFolders(user, ids);
    const filled = folders.filter((folder) => folder.weight > 0);
    const odd = this.#oddRecords(user);
    const shares = shareOut(
      user.messages - odd.length,
      filled.map((folder) => folder.weight),
    );
    filled.forEach((folder, index) => (folder.extra += shares[index] ?? 0));
    let first = 0;
    for (const { folder, extra } of folders) {
      folder.run = {
        seed: hash(seed, folder.number),
        first,
        count: extra,
        newest: this.plan.newestMessage.getTime() / 1000,
        span: THREE_YEARS,
        flavour: folder.flavour,
        language: LANGUAGE_OF[user.locale],
        owner: recipientBytes(personOf(user)),
      };
      first += extra;
    }
    const mailbox = new Mailbox(
      user.index,
      ids,
      this.#generator,
      folders.map(({ folder }) => folder),
    );
    const inTurn = [...odd, ...this.#filesOf(user).map((file) => file.record)];
    inTurn.forEach((record, index) => {
      const folder = (filled[index % filled.length] ?? filled[0])?.folder;
      if (!folder) return;
      const ordinal = mailbox.nextOrdinal++;
      mailbox.entries.set(ordinal, { folder, moves: 0, version: 0, record });
      folder.stored.push(ordinal);
    });
    return mailbox;
  }

  #makeFolders(user: User, ids: MailboxIds): { folder: Folder; weight: number; extra: number }[] {
    const { folders: count } = this.plan;
    const planned = count === undefined ? variedPlan(user.index, user.locale) : plainPlan(count, user.locale);
    const made = new Map<string, Folder>();
    return planned.map((plan, number) => {
      const folder = emptyFolder(ids.folder(number), number, plan.displayName, made.get(plan.parent ?? ''));
      folder.wellKnownName = plan.wellKnownName;
      folder.isHidden = plan.isHidden ?? false;
      folder.flavour = plan.flavour;
      const source = made.get(plan.searchOf ?? '');
      if (source) folder.search = { source, filterQuery: "contains(subject, 'digest')" };
      made.set(plan.key, folder);
      return { folder, weight: plan.weight, extra: plan.extra ?? 0 };
    });
  }

  #oddRecords(user: User): MessageRecord[] {
    const { oddMessages } = this.plan;
    if (oddMessages === false) return [];
    return this.#odd.slice(0, oddMessages ? user.messages : Math.floor(user.messages / 100));
  }

  /** Mail read from files goes to the readable mailboxes in turn. */
  #filesOf(user: User): MailFile[] {
    const turn = this.readable.indexOf(user);
    return this.#files.filter((_, index) => index % this.readable.length === turn);
  }
}

function personOf(user: User): Person {
  return { name: user.displayName, address: user.mail ?? user.userPrincipalName };
}
