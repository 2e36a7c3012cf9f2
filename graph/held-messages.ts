import type { GraphMessage } from '../model/mail.ts';

/**
 * The messages of a page that somebody waits with. Parsed they take several times the memory of the body that they came
 * in, and what the heap holds for long is copied and searched again and again. So they are let go of meanwhile, and parsed
 * once more in the rare case that they are needed again.
 */
export class HeldMessages {
  readonly #messages: GraphMessage[];
  readonly #parse: (body: Buffer) => GraphMessage[];
  #body: Buffer | undefined;

  /** @param messages what `parse` makes of the body */
  constructor(messages: GraphMessage[], body: Buffer, parse: (body: Buffer) => GraphMessage[]) {
    this.#messages = messages;
    this.#body = body;
    this.#parse = parse;
  }

  /** Empties the list. */
  letGo(): void {
    this.#messages.length = 0;
  }

  /** The messages once more. @throws {Error} after the page has been released */
  again(): readonly GraphMessage[] {
    if (!this.#body) throw new Error('The page has been released');
    return this.#parse(this.#body);
  }

  /** Nobody will need them again. */
  release(): void {
    this.letGo();
    this.#body = undefined;
  }
}
