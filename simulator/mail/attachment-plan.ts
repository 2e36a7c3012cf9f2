import type { Bytes, JsonObject } from './bytes.ts';
import { jsonInner } from './bytes.ts';
import { graphTime } from './clock.ts';
import { composeMime } from './compose.ts';
import { GeneratedContent } from './content.ts';
import { FILE_KINDS, ODD_NAMES, PICTURE } from './file-kinds.ts';
import { recipient } from './people.ts';
import type { AttachmentRecord } from './record.ts';
import { hash, pick, seedFor } from './rng.ts';

/** Which generated messages have attachments, and of what kind. Shares are parts of the whole, 0 to 1. */
export interface AttachmentOptions {
  /** Messages that have some. Default 0.125. */
  share?: number;
  /** Such a message has one to so many. Default 3. */
  most?: number;
  /** Average bytes of a file; from half to one and a half of it. Default 30,000. */
  bytes?: number;
  /**
   * Of the attachments, pictures inside of the body. Their contents are few, as logos are. A message that has nothing
   * else says `hasAttachments: false`. Default 0.
   */
  inlineShare?: number;
  /** Of the attachments, messages inside of the message, some with attachments of their own. Default 0. */
  itemShare?: number;
  /** Of the attachments, links to files elsewhere. Default 0. */
  referenceShare?: number;
  /** Of the files, those with `hugeBytes`. Default 0. */
  hugeShare?: number;
  /** Default 150,000,000. */
  hugeBytes?: number;
  /** Of the attachments that are no pictures, those with a name that a careless reader stumbles over. Default 0.01. */
  oddShare?: number;
}

type Kind = 'inline' | 'item' | 'reference' | 'file';

const DEFAULTS: Required<AttachmentOptions> = {
  share: 0.125,
  most: 3,
  bytes: 30_000,
  inlineShare: 0,
  itemShare: 0,
  referenceShare: 0,
  hugeShare: 0,
  hugeBytes: 150_000_000,
  oddShare: 0.01,
};
const SHARES = ['share', 'inlineShare', 'itemShare', 'referenceShare', 'hugeShare', 'oddShare'] as const;
const LARGEST = 0x7fffffff - 1_000;
const LOGOS = 8;
const DEEPEST = 3;
const ALL = 0x80000000;

/**
 * Decides which attachments each generated message has: a pure function of the options and the message's seed. Contents
 * are made when they are read.
 */
export class AttachmentPlan {
  readonly #options: Required<AttachmentOptions>;
  readonly #logos: number;

  /** @throws RangeError naming the option that is out of range. */
  constructor(seed: number, options: AttachmentOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.#logos = seedFor(seed, 'logos');
    check(this.#options);
  }

  /** What `hasAttachments` of the message says: whether it has any that are no pictures in its body. */
  shows(seed: number): boolean {
    const count = this.#count(seed);
    for (let index = 0; index < count; index++) if (this.#kind(seed, index) !== 'inline') return true;
    return false;
  }

  /** The HTML that shows the pictures of the message, ready inside JSON quotes; empty where it has none. */
  pictures(seed: number): Bytes {
    let html = '';
    for (let index = 0, count = this.#count(seed); index < count; index++) {
      if (this.#kind(seed, index) === 'inline') html += `<br><img src="cid:${contentId(seed, index)}">`;
    }
    return html === '' ? '' : jsonInner(html);
  }

  /** The attachments of the message. */
  attachments(seed: number): AttachmentRecord[] {
    return Array.from({ length: this.#count(seed) }, (_, index) => this.#attachment(seed, index));
  }

  #count(seed: number): number {
    const { share, most } = this.#options;
    return hash(seed, -1) < share * ALL ? 1 + (hash(seed, -2) % most) : 0;
  }

  #kind(seed: number, index: number): Kind {
    const { inlineShare, itemShare, referenceShare } = this.#options;
    const dice = hash(seed, index) / ALL;
    if (dice < inlineShare) return 'inline';
    if (dice < inlineShare + itemShare) return 'item';
    return dice < inlineShare + itemShare + referenceShare ? 'reference' : 'file';
  }

  #attachment(seed: number, index: number): AttachmentRecord {
    const dice = hash(hash(seed, index), 1);
    switch (this.#kind(seed, index)) {
      case 'inline':
        return this.#picture(seed, index);
      case 'item':
        return this.#item(dice, 1);
      case 'reference':
        return this.#reference(dice);
      case 'file':
        return this.#file(dice);
    }
  }

  #picture(seed: number, index: number): AttachmentRecord {
    const logo = hash(seed, index) % LOGOS;
    return {
      kind: 'file',
      name: `image${String(index + 1).padStart(3, '0')}.png`,
      contentType: PICTURE.contentType,
      isInline: true,
      contentId: contentId(seed, index),
      content: new GeneratedContent(hash(this.#logos, logo), 2_000 + 700 * logo, PICTURE.head),
    };
  }

  /** One file in 16 is sent without saying what it is. */
  #file(dice: number): AttachmentRecord {
    const { bytes, hugeShare, hugeBytes } = this.#options;
    const kind = pick(FILE_KINDS, dice);
    const isHuge = hash(dice, 2) < hugeShare * ALL;
    const length = isHuge ? hugeBytes : Math.floor(bytes / 2) + (bytes > 0 ? hash(dice, 3) % bytes : 0);
    return {
      kind: 'file',
      name: this.#name(dice, `${kind.name} ${dice % 10_000}.${kind.extension}`),
      contentType: (dice >> 8) % 16 === 0 ? 'application/octet-stream' : kind.contentType,
      isInline: false,
      contentId: null,
      content: new GeneratedContent(dice, length, kind.head),
    };
  }

  #reference(dice: number): AttachmentRecord {
    const kind = pick(FILE_KINDS, dice);
    return {
      kind: 'reference',
      name: this.#name(dice, `Shared ${kind.name} ${dice % 10_000}.${kind.extension}`),
      contentType: kind.contentType,
      isInline: false,
      size: 900 + (dice % 300),
    };
  }

  /** A message inside: half of them hold a file or another message. */
  #item(dice: number, depth: number): AttachmentRecord {
    const inside = hash(dice, 4);
    const attachments =
      inside % 2 === 0
        ? []
        : [inside % 6 === 1 && depth < DEEPEST ? this.#item(inside, depth + 1) : this.#file(inside)];
    const subject = `The forwarded one ${dice % 10_000}`;
    const item = itemOf(dice, subject, attachments.length > 0);
    return {
      kind: 'item',
      name: this.#name(dice, subject),
      contentType: dice % 2 === 0 ? 'message/rfc822' : null,
      isInline: false,
      item,
      attachments,
      mime: composeMime(item, attachments, depth),
    };
  }

  #name(dice: number, ordinary: string): string | null {
    return hash(dice, 5) < this.#options.oddShare * ALL ? pick(ODD_NAMES, hash(dice, 6)) : ordinary;
  }
}

function contentId(seed: number, index: number): string {
  return `image${String(index + 1).padStart(3, '0')}.png@01DC${seed.toString(16).padStart(8, '0').toUpperCase()}`;
}

function itemOf(dice: number, subject: string, hasAttachments: boolean): JsonObject {
  const sent = graphTime(Date.UTC(2025, 0) / 1000 + (dice % (365 * 86_400)));
  const author = recipient({ name: 'Zofia Weber', address: 'zofia.weber@tide.example' });
  const content = `The one from back then, number ${dice}. Größe und Maß stehen darin.`;
  return {
    '@odata.type': '#microsoft.graph.message',
    id: '',
    createdDateTime: sent,
    lastModifiedDateTime: sent,
    receivedDateTime: sent,
    sentDateTime: sent,
    hasAttachments,
    internetMessageId: `<inside.${dice}@tide.example>`,
    subject,
    bodyPreview: content,
    importance: 'normal',
    isRead: true,
    isDraft: false,
    body: { contentType: 'text', content },
    sender: author,
    from: author,
    toRecipients: [recipient({ name: 'Grace Hughes', address: 'grace.hughes@quay.example' })],
    ccRecipients: [],
    flag: { flagStatus: 'notFlagged' },
  };
}

function check(options: Required<AttachmentOptions>): void {
  for (const name of SHARES) {
    if (!(options[name] >= 0 && options[name] <= 1)) throw outOfRange(name, 'a part of the whole, 0 to 1');
  }
  for (const name of ['bytes', 'hugeBytes'] as const) {
    const value = options[name];
    if (!Number.isSafeInteger(value) || value < 0 || value > LARGEST) throw outOfRange(name, 'a number of bytes below 2 GiB'); // prettier-ignore
  }
  if (!Number.isSafeInteger(options.most) || options.most < 1) throw outOfRange('most', 'a whole number above 0');
  if (options.inlineShare + options.itemShare + options.referenceShare > 1) {
    throw outOfRange('inlineShare', 'at most 1 together with itemShare and referenceShare');
  }
}

function outOfRange(name: string, wanted: string): RangeError {
  return new RangeError(`The option attachments.${name} must be ${wanted}.`);
}
