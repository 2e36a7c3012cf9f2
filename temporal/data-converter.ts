import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import type { Sealer } from '../model/sealing.ts';
import { EncryptionCodec } from './codec.ts';

/** Path of the failure converter, for clients, workers and the workflow bundle alike. */
export const FAILURE_CONVERTER_PATH = fileURLToPath(new URL('./failure-converter.js', import.meta.url));

/** How every client and worker of Outhaul talks to Temporal: encrypted payloads, encrypted failures. */
export function createDataConverter(sealer: Sealer): DataConverter {
  return { failureConverterPath: FAILURE_CONVERTER_PATH, payloadCodecs: [new EncryptionCodec(sealer)] };
}
