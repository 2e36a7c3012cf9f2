import type { PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';

const { Payload } = proto.temporal.api.common.v1;

/** A payload as proto JSON has it: bytes are base64. */
export interface JsonPayload {
  readonly metadata?: Readonly<Record<string, string>> | null | undefined;
  readonly data?: string | null | undefined;
}

/**
 * Decodes payloads as the protocol of remote codecs sends them, and answers them in the same form and order.
 * @throws {SealError} for a payload sealed under a key that is not in the ring.
 */
export async function decodeJsonPayloads(
  codec: PayloadCodec,
  payloads: readonly JsonPayload[],
): Promise<Record<string, unknown>[]> {
  const decoded = await codec.decode(payloads.map((payload) => Payload.fromObject(payload)));
  return decoded.map((payload) => Payload.toObject(Payload.create(payload), { bytes: String, longs: String }));
}
