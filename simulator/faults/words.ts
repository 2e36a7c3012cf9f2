import { faults as graphFaults, GraphFault } from '../msgraph/fault.ts';
import type { MailboxState, StatusEffect } from './fault-rule.ts';

/** What Graph commonly says with a status. */
const CODES: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'InvalidAuthenticationToken',
  403: 'ErrorAccessDenied',
  404: 'ErrorItemNotFound',
  410: 'SyncStateNotFound',
  413: 'RequestEntityTooLarge',
  429: 'ApplicationThrottled',
  500: 'InternalServerError',
  501: 'NotImplemented',
  503: 'ServiceUnavailable',
  507: 'ErrorQuotaExceeded',
};

const MESSAGES: Readonly<Record<string, string>> = {
  ApplicationThrottled: 'Application is over its MailboxConcurrency limit.',
  TooManyRequests: 'Please retry again later.',
  InvalidAuthenticationToken: 'Access token has expired or is not yet valid.',
  ErrorAccessDenied: 'Access is denied. Check credentials and try again.',
  ErrorItemNotFound: 'The specified object was not found in the store.',
  ErrorSyncFolderNotFound: 'The folder to be synchronized could not be found.',
  MailboxNotEnabledForRESTAPI: 'The mailbox is either inactive, soft-deleted, or is hosted on-premise.',
  ErrorContentConversionFailed: 'Content conversion failed.',
  ErrorCannotOpenFileAttachment: 'OLE conversion failed for an attachment.',
  ErrorTooManyObjectsOpened: 'Too many objects opened.',
  ErrorCorruptData: 'Data is corrupt.',
  ErrorInvalidRecipients: 'At least one recipient is not valid.',
  ErrorQuotaExceeded: 'Cannot save changes made to an item to store.',
  InternalServerError: 'Error while processing response.',
  ServiceUnavailable: 'The service is temporarily unavailable. Retry the request at a later time.',
  ErrorServerBusy: 'The server cannot service this request right now. Try again later.',
  MailboxInfoStale: "The mailbox is currently on backend 'Unknown'.",
  ErrorMailboxMoveInProgress: 'Mailbox move in progress. Try again later.',
  ErrorMailboxStoreUnavailable: 'The mailbox database is temporarily unavailable.',
  SyncStateNotFound: 'The sync state generation is not found; generation=605;[highest=841][841][839][840].',
  resyncRequired: 'Resync required. Replace any local items with the server version.',
  SyncStateInvalid: 'The sync state is invalid.',
};

/** An error of Graph with a code and, where they are not given, the words that Graph has for it. */
export function graphFault(status: number, code?: string, message?: string, headers?: Record<string, string>) {
  const shown = code ?? CODES[status] ?? 'UnknownError';
  return new GraphFault(status, shown, message ?? MESSAGES[shown] ?? '', headers);
}

/** The error that a status effect stands for. */
export function statusFault({ status, code, message, retryAfter }: StatusEffect): GraphFault {
  return graphFault(status, code, message, retryAfterHeader(retryAfter));
}

function retryAfterHeader(retryAfter: StatusEffect['retryAfter']): Record<string, string> {
  if (retryAfter === undefined) return {};
  if (typeof retryAfter === 'number') return { 'retry-after': String(retryAfter) };
  return { 'retry-after': new Date(Date.now() + retryAfter.date * 1000).toUTCString() };
}

/** The error that a mailbox in such a state answers. */
export function stateFault(state: MailboxState, user: string): GraphFault {
  switch (state) {
    case 'denied':
      return graphFaults.policyDenied();
    case 'notEnabled':
      return graphFaults.noMailbox();
    case 'gone':
      return graphFaults.invalidUser(user);
    case 'onHold':
      return graphFault(503, 'MailboxInfoStale');
    case 'moving':
      return graphFault(503, 'ErrorMailboxMoveInProgress');
    case 'storeUnavailable':
      return graphFault(503, 'ErrorMailboxStoreUnavailable');
    case 'overQuota':
      return graphFault(507, 'ErrorQuotaExceeded');
  }
}
