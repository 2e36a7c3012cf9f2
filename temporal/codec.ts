import type { Payload, PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';
import type { Sealer } from '../model/sealing.ts';

const { Payload: WirePayload } = proto.temporal.api.common.v1;

/** What the server and its UI see as a payload's encoding. */
export const ENCODING = 'binary/encrypted';
const encodingBytes = Buffer.from(ENCODING);
const CONTEXT = 'temporal-payload';

/**
 * Encrypts every payload that leaves the process for Temporal: inputs, results, heartbeats, signals, updates, memos,
 * summaries and (with the failure converter beside this file) the messages and stacks of failures. Each sealed payload
 * names its key, so that keys rotate while workflows run.
 */
export class EncryptionCodec implements PayloadCodec {
  readonly #sealer: Sealer;
  constructor(sealer: Sealer) {
    this.#sealer = sealer;
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => ({
      metadata: { encoding: encodingBytes },
      data: this.#sealer.seal(WirePayload.encode(payload).finish(), CONTEXT),
    }));
  }

  /** @throws {SealError} for a payload sealed under a key that is not in the ring. */
  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      const { metadata, data } = payload;
      if (!metadata?.['encoding'] || !data || Buffer.compare(metadata['encoding'], encodingBytes) !== 0) return payload;
      return WirePayload.decode(this.#sealer.open(data, CONTEXT));
    });
  }
}
