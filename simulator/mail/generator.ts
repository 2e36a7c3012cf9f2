import { type Bytes, jsonInner, utf8 } from './bytes.ts';
import { HTML_END, type Phrasebook, phrasebooks } from './bodies.ts';
import { graphTime } from './clock.ts';
import { outsiders, type Person, recipientBytes } from './people.ts';
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
const HEADERS = '[{"name":"MIME-Version","value":"1.0"},{"name":"X-Origin","value":"generated"}]';

/** Writes generated messages. Made once a tenant; holds its phrases, nothing about single messages. */
export class MailGenerator {
  readonly #phrasebooks: readonly Phrasebook[];
  readonly #people: readonly Bytes[];
  readonly #host: Bytes;

  /** `bodyBytes` is the average length of a body's text. */
  constructor(seed: number, domain: string, bodyBytes: number, colleagues: readonly Person[]) {
    this.#phrasebooks = phrasebooks(seedFor(seed, 'phrases'), bodyBytes);
    this.#people = [...colleagues, ...outsiders(seedFor(seed, 'people'), OUTSIDERS)].map(recipientBytes);
    this.#host = jsonInner(domain);
  }

  /** When message `i` arrived, in seconds since 1970; falls strictly with `i` as long as the run has room. */
  receivedAt(run: Run, i: number): number {
    const step = run.span / run.count;
    const jitter = (hash(run.seed, i) % 1000) / 1000;
    return Math.floor(run.newest - (i + jitter) * step);
  }

  isRead(run: Run, i: number): boolean {
    return run.flavour !== 'received' || (hash(run.seed, i) & 7) > 1;
  }

  hasAttachments(run: Run, i: number): boolean {
    return ((hash(run.seed, i) >> 4) & 7) === 0;
  }

  /** The JSON of message `i` as `shape` wants it. This is the hot path: about 2 µs. */
  write(run: Run, i: number, envelope: Envelope, shape: Shape): Bytes {
    const { shows } = shape;
    const h = hash(run.seed, i);
    const g = hash(h, i);
    const language = (g & 15) === 0 ? (g >> 4) % this.#phrasebooks.length : run.language;
    const phrases = this.#phrasebooks[language] as Phrasebook;
    const isDraft = run.flavour === 'draft';
    const nameless = isDraft && (h & 1) === 0;

    let json: Bytes = shape.typed ? '{"@odata.type":"#microsoft.graph.message",' : '{';
    json += `"@odata.etag":"W/\\"${envelope.changeKey}\\"","id":"${envelope.id}"`;
    const received = this.receivedAt(run, i);
    const receivedText = graphTime(received);
    if (shows.createdDateTime) json += `,"createdDateTime":"${receivedText}"`;
    if (shows.lastModifiedDateTime) json += `,"lastModifiedDateTime":"${graphTime(received + (g & 255))}"`;
    if (shows.changeKey) json += `,"changeKey":"${envelope.changeKey}"`;
    if (shows.categories) json += `,"categories":${((h >> 19) & 15) === 0 ? CATEGORIES[g & 3] : '[]'}`;
    if (shows.receivedDateTime) json += `,"receivedDateTime":"${receivedText}"`;
    if (shows.sentDateTime) json += `,"sentDateTime":"${graphTime(received - (h & 3))}"`;
    if (shows.hasAttachments) json += ((h >> 4) & 7) === 0 ? ',"hasAttachments":true' : ',"hasAttachments":false';
    if (shows.internetMessageId) json += `,"internetMessageId":"<${run.seed}.${i}@${this.#host}>"`;
    if (shows.subject) json += this.#subject(phrases, run, i, h);
    const body = phrases.bodies[(g >> 8) % phrases.bodies.length];
    const reference = `Ref ${FOUR_DIGITS[g % 10_000]}${FOUR_DIGITS[h % 10_000]}`;
    if (body && shows.bodyPreview) {
      json += `,"bodyPreview":"${body.preview}${body.previewIsFull ? '' : reference}"`;
    }
    const rare = (h >> 7) & 31;
    if (shows.importance) json += `,"importance":"${rare === 0 ? 'high' : rare === 1 ? 'low' : 'normal'}"`;
    if (shows.parentFolderId) json += `,"parentFolderId":"${envelope.parentFolderId}"`;
    if (shows.conversationId) json += `,"conversationId":"${envelope.conversationId}"`;
    if (shows.conversationIndex) json += `,"conversationIndex":"${envelope.conversationIndex}"`;
    if (shows.isDeliveryReceiptRequested) json += ',"isDeliveryReceiptRequested":false';
    if (shows.isReadReceiptRequested)
      json += rare === 2 ? ',"isReadReceiptRequested":true' : ',"isReadReceiptRequested":false';
    if (shows.isRead) json += this.isRead(run, i) ? ',"isRead":true' : ',"isRead":false';
    if (shows.isDraft) json += isDraft ? ',"isDraft":true' : ',"isDraft":false';
    if (shows.webLink) json += `,"webLink":"${envelope.webLink}"`;
    if (shows.inferenceClassification) {
      json += `,"inferenceClassification":"${((h >> 12) & 3) === 0 ? 'other' : 'focused'}"`;
    }
    if (body && (shows.body || shows.uniqueBody)) {
      const isText = shape.textBodies || ((h >> 27) & 3) === 0;
      const content = isText
        ? `{"contentType":"text","content":"${body.text}${reference}"}`
        : `{"contentType":"html","content":"${body.html}${reference}${HTML_END}"}`;
      if (shows.body) json += `,"body":${content}`;
      if (shows.uniqueBody) json += `,"uniqueBody":${content}`;
    }
    const author = run.flavour === 'received' ? this.#person(g >> 3) : run.owner;
    if (!nameless && shows.sender) json += `,"sender":${author}`;
    if (!nameless && shows.from) json += `,"from":${author}`;
    if (shows.toRecipients) json += `,"toRecipients":[${this.#recipients(run, g)}]`;
    if (shows.ccRecipients) json += (h & 48) === 16 ? `,"ccRecipients":[${this.#person(h)}]` : ',"ccRecipients":[]';
    if (shows.bccRecipients) {
      json +=
        run.flavour === 'sent' && rare === 3 ? `,"bccRecipients":[${this.#person(h >> 2)}]` : ',"bccRecipients":[]';
    }
    if (shows.replyTo) json += rare === 4 ? `,"replyTo":[${this.#person(h >> 4)}]` : ',"replyTo":[]';
    if (shows.flag) json += `,"flag":${rare === 5 ? FLAGS.flagged : rare === 6 ? FLAGS.complete : FLAGS.none}`;
    if (shows.internetMessageHeaders && run.flavour === 'received') json += `,"internetMessageHeaders":${HEADERS}`;
    return `${json}}`;
  }

  /** Messages of one thread share their subject; the later ones answer the first. One in 64 has none. */
  #subject(phrases: Phrasebook, run: Run, i: number, h: number): Bytes {
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
    return this.#people[number % this.#people.length] as Bytes;
  }
}

/** The thread that message `i` of a run belongs to, as a mailbox-wide number. */
export function threadOf(run: Run, i: number): number {
  return run.first + Math.floor(i / THREAD) * THREAD;
}
