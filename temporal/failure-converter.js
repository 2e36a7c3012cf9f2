import { DefaultFailureConverter } from '@temporalio/common';

/**
 * Sends the message and stack of a failure through the payload codec, so that neither is stored in the clear. Plain
 * JavaScript because Temporal loads it by path, in the worker as well as in the workflow bundle.
 */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
