import type { AttachmentPlan } from './attachment-plan.ts';
import { generatedAttachments } from './attachments.ts';
import { type Bytes, jsonInner, utf8 } from './bytes.ts';
import { type Body, HTML_END, type Phrasebook, phrasebooks } from './bodies.ts';
import { graphTime } from './clock.ts';
import { outsiders, type Person, recipientBytes } from './people.ts';
import type { AttachmentRecord } from './record.ts';
import { hash, seedFor } from './rng.ts';
import type { Shape } from './shape.ts';

/** How the mail of a folder differs: written to the owner, by the owner, or not sent yet. */
export type Flavour = 'received' | 'sent' | 'draft';

/**
 * A run of generated messages that were made for one folder: message `i` of it (0 is the newest) is a pure function of
 * the run. Its memory is this object, whatever its length.
 */
export interface Run {
  /** Different for every run of the tenant. */
  seed: number;
  /** The mailbox-wide number of its first message. */
  first: number;
  count: number;
  /** When the newest message may have arrived, and how far back the run goes, in seconds since 1970 and seconds. */
  newest: number;
  span: number;
  flavour: Flavour;
  /** The phrasebook of the mailbox; now and then another is used. */
  language: number;
  /** The owner as a recipient. */
  owner: Bytes;
}

/** What a message's place in its mailbox adds to it. */
export interface Envelope {
  id: string;
  changeKey: string;
  parentFolderId: string;
  conversationId: string;
  conversationIndex: string;
  /** The address of the message in Outlook on the web. */
  webLink: string;
}

/** One message of a run, and the random bits that decide about it. */
interface Draw {
  run: Run;
  i: number;
  h: number;
  g: number;
  /** 0 to 31, for what happens to one message in 32. */
  rare: number;
}

type Shown = Shape['shows'];

const OUTSIDERS = 512;
const THREAD = 4;
const FOUR_DIGITS = Array.from({ length: 10_000 }, (_, value) => String(value).padStart(4, '0'));
const CATEGORIES = ['[]', '["Red category"]', '["Orders","Blue category"]', utf8('["Wichtig ⚓"]')] as const;
const FLAGS = {
  none: '{"flagStatus":"notFlagged"}',
  complete: '{"flagStatus":"complete","completedDateTime":{"dateTime":"2026-03-02T00:00:00.0000000","timeZone":"UTC"}}',
  flagged:
    '{"flagStatus":"flagged","dueDateTime":{"dateTime":"2026-12-24T00:00:00.0000000","timeZone":"UTC"},"startDateTime":{"dateTime":"2026-12-01T00:00:00.0000000","timeZone":"UTC"}}',
} as const;
const INFERENCES = ['other', 'focused', 'focused', 'focused'] as const;
const HEADERS = '[{"name":"MIME-Version","value":"1.0"},{"name":"X-Origin","value":"generated"}]';

/** Writes generated messages. Made once a tenant; holds its phrases, nothing about single messages. */
export class MailGenerator {
  readonly #phrasebooks: readonly Phrasebook[];
  readonly #correspondents: readonly Bytes[];
  readonly #host: Bytes;
  readonly #attachments: AttachmentPlan | undefined;

  /** `bodyBytes` is the average length of a body's text. Without `attachments` one message in eight has some files. */
  constructor(
    seed: number,
    domain: string,
    bodyBytes: number,
    colleagues: readonly Person[],
    attachments?: AttachmentPlan,
  ) {
    this.#attachments = attachments;
    this.#phrasebooks = phrasebooks(seedFor(seed, 'phrases'), bodyBytes);
    this.#correspondents = [...colleagues, ...outsiders(seedFor(seed, 'people'), OUTSIDERS)].map(recipientBytes);
    this.#host = jsonInner(domain);
  }

  /** When message `i` arrived, in seconds since 1970; never later than message `i - 1`. */
  receivedAt(run: Run, i: number): number {
    const step = run.span / run.count;
    const jitter = (hash(run.seed, i) % 1000) / 1000;
    return Math.floor(run.newest - (i + jitter) * step);
  }

  isRead(run: Run, i: number): boolean {
    return run.flavour !== 'received' || (hash(run.seed, i) & 7) > 1;
  }

  hasAttachments(run: Run, i: number): boolean {
    return this.#shows(run, i, hash(run.seed, i));
  }

  /** The attachments of message `i`. */
  attachments(run: Run, i: number): readonly AttachmentRecord[] {
    if (this.#attachments) return this.#attachments.attachments(hash(run.seed, ~i));
    return this.hasAttachments(run, i) ? generatedAttachments(hash(run.seed, ~i)) : [];
  }

  /** The JSON of message `i` as `shape` wants it. This is the hot path: about 2 µs. */
  write(run: Run, i: number, envelope: Envelope, shape: Shape): Bytes {
    const h = hash(run.seed, i);
    const draw: Draw = { run, i, h, g: hash(h, i), rare: (h >> 7) & 31 };
    const start = shape.typed ? '{"@odata.type":"#microsoft.graph.message",' : '{';
    const identity = `${start}"@odata.etag":"W/\\"${envelope.changeKey}\\"","id":"${envelope.id}"`;
    return (
      identity +
      this.#times(draw, envelope, shape.shows) +
      this.#content(draw, envelope, shape) +
      this.#people(draw, shape.shows) +
      '}'
    );
  }

  #shows(run: Run, i: number, h: number): boolean {
    return this.#attachments ? this.#attachments.shows(hash(run.seed, ~i)) : ((h >> 4) & 7) === 0;
  }

  #times({ run, i, h, g }: Draw, envelope: Envelope, shows: Shown): Bytes {
    const received = this.receivedAt(run, i);
    const receivedText = graphTime(received);
    let json: Bytes = '';
    if (shows.createdDateTime) json += `,"createdDateTime":"${receivedText}"`;
    if (shows.lastModifiedDateTime) json += `,"lastModifiedDateTime":"${graphTime(received + (g & 255))}"`;
    if (shows.changeKey) json += `,"changeKey":"${envelope.changeKey}"`;
    if (shows.categories) json += `,"categories":${((h >> 19) & 15) === 0 ? CATEGORIES[g & 3] : '[]'}`;
    if (shows.receivedDateTime) json += `,"receivedDateTime":"${receivedText}"`;
    if (shows.sentDateTime) json += `,"sentDateTime":"${graphTime(received - (h & 3))}"`;
    if (shows.hasAttachments) json += `,"hasAttachments":${this.#shows(run, i, h)}`;
    if (shows.internetMessageId) json += `,"internetMessageId":"<${run.seed}.${i}@${this.#host}>"`;
    return json;
  }

  #content(draw: Draw, envelope: Envelope, shape: Shape): Bytes {
    const { run, i, h, g, rare } = draw;
    const { shows } = shape;
    const language = (g & 15) === 0 ? (g >> 4) % this.#phrasebooks.length : run.language;
    const phrases = this.#phrasebooks[language] as Phrasebook;
    const body = phrases.bodies[(g >> 8) % phrases.bodies.length] as Body;
    const reference = `Ref ${FOUR_DIGITS[g % 10_000]}${FOUR_DIGITS[h % 10_000]}`;
    let json: Bytes = shows.subject ? this.#subject(phrases, draw) : '';
    if (shows.bodyPreview) json += `,"bodyPreview":"${body.preview}${body.previewIsFull ? '' : reference}"`;
    if (shows.importance) json += `,"importance":"${rare === 0 ? 'high' : rare === 1 ? 'low' : 'normal'}"`;
    if (shows.parentFolderId) json += `,"parentFolderId":"${envelope.parentFolderId}"`;
    if (shows.conversationId) json += `,"conversationId":"${envelope.conversationId}"`;
    if (shows.conversationIndex) json += `,"conversationIndex":"${envelope.conversationIndex}"`;
    if (shows.isDeliveryReceiptRequested) json += ',"isDeliveryReceiptRequested":false';
    if (shows.isReadReceiptRequested) json += `,"isReadReceiptRequested":${rare === 2}`;
    if (shows.isRead) json += `,"isRead":${this.isRead(run, i)}`;
    if (shows.isDraft) json += `,"isDraft":${run.flavour === 'draft'}`;
    if (shows.webLink) json += `,"webLink":"${envelope.webLink}"`;
    if (shows.inferenceClassification) json += `,"inferenceClassification":"${INFERENCES[(h >> 12) & 3]}"`;
    if (shows.body || shows.uniqueBody) {
      const pictures = this.#attachments?.pictures(hash(run.seed, ~i)) ?? '';
      const isText = shape.textBodies || (pictures === '' && ((h >> 27) & 3) === 0);
      const content = isText
        ? `{"contentType":"text","content":"${body.text}${reference}"}`
        : `{"contentType":"html","content":"${body.html}${reference}${pictures}${HTML_END}"}`;
      if (shows.body) json += `,"body":${content}`;
      if (shows.uniqueBody) json += `,"uniqueBody":${content}`;
    }
    return json;
  }

  /** Who wrote and who gets the message; half of the drafts have no author yet. */
  #people({ run, h, g, rare }: Draw, shows: Shown): Bytes {
    const { flavour } = run;
    const author = flavour === 'received' ? this.#person(g >> 3) : run.owner;
    const isNameless = flavour === 'draft' && (h & 1) === 0;
    const bcc = flavour === 'sent' && rare === 3 ? this.#person(h >> 2) : '';
    let json: Bytes = '';
    if (shows.sender && !isNameless) json += `,"sender":${author}`;
    if (shows.from && !isNameless) json += `,"from":${author}`;
    if (shows.toRecipients) json += `,"toRecipients":[${this.#recipients(run, g)}]`;
    if (shows.ccRecipients) json += `,"ccRecipients":[${(h & 48) === 16 ? this.#person(h) : ''}]`;
    if (shows.bccRecipients) json += `,"bccRecipients":[${bcc}]`;
    if (shows.replyTo) json += `,"replyTo":[${rare === 4 ? this.#person(h >> 4) : ''}]`;
    if (shows.flag) json += `,"flag":${rare === 5 ? FLAGS.flagged : rare === 6 ? FLAGS.complete : FLAGS.none}`;
    if (shows.internetMessageHeaders && flavour === 'received') json += `,"internetMessageHeaders":${HEADERS}`;
    return json;
  }

  /** Messages of one thread share their subject; the later ones answer the first. One in 64 has none. */
  #subject(phrases: Phrasebook, { run, i, h }: Draw): Bytes {
    if (((h >> 21) & 63) === 0) return (h & 64) === 0 ? ',"subject":null' : ',"subject":""';
    const thread = hash(run.seed, ~Math.floor(i / THREAD));
    const isFirst = i % THREAD === THREAD - 1 || i === run.count - 1;
    return `,"subject":"${isFirst ? '' : 'RE: '}${phrases.subjects[thread % phrases.subjects.length]} ${thread % 100_000}"`;
  }

  /** Mostly one recipient, often a few, one time in 512 a long list. */
  #recipients(run: Run, g: number): Bytes {
    const dice = g & 511;
    const others = dice === 0 ? 40 : dice < 420 ? 0 : dice & 3;
    let list = run.flavour === 'received' ? run.owner : this.#person(g >> 5);
    for (let other = 0; other < others; other++) list += `,${this.#person((g >> 2) + other)}`;
    return list;
  }

  #person(number: number): Bytes {
    return this.#correspondents[number % this.#correspondents.length] as Bytes;
  }
}

/** The thread that message `i` of a run belongs to, as a mailbox-wide number. */
export function threadOf(run: Run, i: number): number {
  return run.first + Math.floor(i / THREAD) * THREAD;
}
