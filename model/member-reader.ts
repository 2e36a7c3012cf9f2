import { isPlainInstant, toInstant } from './instants.ts';
import { MESSAGE_MEMBERS, type GraphMessage, type Json, type JsonObject } from './mail.ts';
import { storableText } from './text.ts';

export interface Recipient {
  readonly address: string | null;
  readonly name: string | null;
}

/** Members that have a column, and what a response says about itself, which is no part of the message. */
const KNOWN: ReadonlySet<string> = new Set([...MESSAGE_MEMBERS, '@odata.etag', '@odata.context']);

/**
 * Reads the members of a message, or of an attachment, one by one and puts into `record` whatever does not come out as it
 * went in.
 */
export class MemberReader {
  record: JsonObject | null = null;
  readonly #message: GraphMessage;
  readonly #suspicious: boolean;
  readonly #known: ReadonlySet<string>;

  /** `known`: members that `rest` does not keep. Default: those of a message. */
  constructor(message: GraphMessage, suspicious: boolean, known = KNOWN) {
    this.#message = message;
    this.#suspicious = suspicious;
    this.#known = known;
  }

  text(member: string): string | null {
    const value = this.#message[member];
    if (typeof value === 'string' && !this.#suspicious) return value;
    if (typeof value === 'string') {
      const storable = storableText(value);
      if (storable !== value) this.keep(member);
      return storable;
    }
    if (value != null) this.keep(member);
    return null;
  }

  flag(member: string): boolean | null {
    const value = this.#message[member];
    if (typeof value === 'boolean') return value;
    if (value != null) this.keep(member);
    return null;
  }

  count(member: string): number | null {
    const value = this.#message[member];
    if (Number.isSafeInteger(value)) return value as number;
    if (value != null) this.keep(member);
    return null;
  }

  time(member: string): string | null {
    const value = this.#message[member];
    if (value == null) return null;
    if (typeof value === 'string' && isPlainInstant(value)) return value;
    this.keep(member);
    return typeof value === 'string' ? toInstant(value) : null;
  }

  strings(member: string): string[] | null {
    return this.#list(member, (value) => (typeof value === 'string' ? this.#storable(value, member) : undefined));
  }

  recipients(member: string): Recipient[] | null {
    return this.#list(member, (value) => this.#address(value, member));
  }

  recipient(member: string): Recipient | null {
    const value = this.#message[member];
    if (value == null) return null;
    const address = this.#address(value, member);
    if (!address) this.keep(member);
    return address ?? null;
  }

  body(): { contentType: string | null; content: string | null } {
    const value = this.#message['body'];
    if (!isObject(value)) {
      if (value != null) this.keep('body');
      return { contentType: null, content: null };
    }
    const { contentType, content } = value;
    if (!hasOnly(value, 'contentType', 'content')) this.keep('body');
    return { contentType: this.#part(contentType, 'body'), content: this.#part(content, 'body') };
  }

  flagStatus(): string | null {
    const value = this.#message['flag'];
    if (!isObject(value)) {
      if (value != null) this.keep('flag');
      return null;
    }
    if (!hasOnly(value, 'flagStatus')) this.keep('flag');
    return this.#part(value['flagStatus'], 'flag');
  }

  /** The entity tag is the change key in quotes; partial records may have only the tag. */
  changeKey(): string | null {
    const changeKey = this.text('changeKey');
    const tag = this.#message['@odata.etag'];
    if (tag == null || tag === `W/"${changeKey}"`) return changeKey;
    const [, inner] = (typeof tag === 'string' && changeKey === null && /^W\/"([^"]*)"$/.exec(tag)) || [];
    if (inner === undefined || storableText(inner) !== inner) this.keep('@odata.etag');
    return changeKey ?? (inner === undefined ? null : storableText(inner));
  }

  /** Keeps every member that nobody knows. */
  rest(): void {
    for (const member of Object.keys(this.#message)) if (!this.#known.has(member)) this.keep(member);
  }

  #list<Item>(member: string, read: (value: Json) => Item | undefined): Item[] | null {
    const value = this.#message[member];
    if (!Array.isArray(value)) {
      if (value != null) this.keep(member);
      return null;
    }
    const items: Item[] = [];
    for (const element of value) {
      const item = read(element);
      if (item === undefined) this.keep(member);
      else items.push(item);
    }
    return items;
  }

  #address(value: Json, member: string): Recipient | undefined {
    if (!isObject(value)) return undefined;
    const { emailAddress } = value;
    if (!isObject(emailAddress)) return undefined;
    if (!hasOnly(value, 'emailAddress') || !hasOnly(emailAddress, 'address', 'name')) this.keep(member);
    return { address: this.#part(emailAddress['address'], member), name: this.#part(emailAddress['name'], member) };
  }

  /** A string inside a member. */
  #part(value: Json | undefined, member: string): string | null {
    if (typeof value === 'string') return this.#storable(value, member);
    if (value != null) this.keep(member);
    return null;
  }

  #storable(value: string, member: string): string {
    if (!this.#suspicious) return value;
    const storable = storableText(value);
    if (storable !== value) this.keep(member);
    return storable;
  }

  /** Puts the member into `record` as it came. */
  keep(member: string): void {
    this.record ??= emptyRecord();
    this.record[member] = this.#message[member];
  }
}

/** An object in which even `__proto__` is a member like any other. */
export const emptyRecord = (): JsonObject => Object.create(null) as JsonObject;

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function hasOnly(value: JsonObject, ...members: readonly string[]): boolean {
  for (const member in value) if (!members.includes(member)) return false;
  return true;
}
