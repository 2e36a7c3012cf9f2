import { STATUS_CODES } from 'node:http';

/** An error answer of Microsoft Graph. */
export class GraphFault extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'GraphFault';
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

const CHALLENGE =
  'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"';

const MUST_BE_OK = 'Notification endpoint must respond with 200 OK to validation request.';

/** Every error that the simulator answers by itself, with Graph's words. */
export const faults = {
  noToken: () =>
    new GraphFault(401, 'InvalidAuthenticationToken', 'Access token is empty.', { 'www-authenticate': CHALLENGE }),
  unknownToken: () =>
    new GraphFault(401, 'InvalidAuthenticationToken', 'CompactToken parsing failed with error code: 80049217', {
      'www-authenticate': CHALLENGE,
    }),
  expiredToken: () =>
    new GraphFault(401, 'InvalidAuthenticationToken', 'Lifetime validation failed, the token is expired.', {
      'www-authenticate': CHALLENGE,
    }),
  directoryDenied: () =>
    new GraphFault(403, 'Authorization_RequestDenied', 'Insufficient privileges to complete the operation.'),
  mailDenied: () => new GraphFault(403, 'ErrorAccessDenied', 'Access is denied. Check credentials and try again.'),
  policyDenied: () =>
    new GraphFault(
      403,
      'ErrorAccessDenied',
      'Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.',
    ),
  noMailbox: () =>
    new GraphFault(
      404,
      'MailboxNotEnabledForRESTAPI',
      'The mailbox is either inactive, soft-deleted, or is hosted on-premise.',
    ),
  invalidUser: (user: string) => new GraphFault(404, 'ErrorInvalidUser', `The requested user '${user}' is invalid.`),
  noSuchUser: (user: string) =>
    new GraphFault(
      404,
      'Request_ResourceNotFound',
      `Resource '${user}' does not exist or one of its queried reference-property objects are not present.`,
    ),
  itemNotFound: () => new GraphFault(404, 'ErrorItemNotFound', 'The specified object was not found in the store.'),
  syncFolderNotFound: () =>
    new GraphFault(404, 'ErrorSyncFolderNotFound', 'The folder to be synchronized could not be found.'),
  malformedId: () => new GraphFault(400, 'ErrorInvalidIdMalformed', 'Id is malformed.'),
  syncStateNotFound: (generation: number, highest: number) =>
    new GraphFault(
      410,
      'SyncStateNotFound',
      `The sync state generation is not found; generation=${generation};[highest=${highest}][${highest}].`,
    ),
  noSegment: (segment: string) => new GraphFault(400, 'BadRequest', `Resource not found for the segment '${segment}'.`),
  unsupportedSegment: () =>
    new GraphFault(
      400,
      'ErrorInvalidRequest',
      "Unsupported request: Change tracking is not supported against 'microsoft.graph.message'.",
    ),
  methodNotAllowed: () =>
    new GraphFault(405, 'Request_BadRequest', 'Specified HTTP method is not allowed for the request target.'),
  mimeNotAllowed: () => new GraphFault(405, 'ErrorInvalidRequest', 'The OData request is not supported.'),
  valueNotAllowed: () =>
    new GraphFault(
      405,
      'ErrorInvalidRequest',
      "'$value' segment is not supported for the given attachment. '$value' segment is only supported for File Attachments and Item Attachments",
    ),
  badQuery: (message: string) => new GraphFault(400, 'ErrorInvalidUrlQuery', message),
  badDeltaFilter: () =>
    new GraphFault(
      400,
      'ErrorInvalidUrlQuery',
      "The '$filter' parameter value is not supported for 'Messages' resource; only a value of 'receivedDateTime ge value' is supported.",
    ),
  badUri: (message: string) => new GraphFault(400, 'RequestBroker--ParseUri', message),
  badRequest: (message: string) => new GraphFault(400, 'BadRequest', message),
  unsupportedQuery: (message: string) => new GraphFault(400, 'Request_UnsupportedQuery', message),
  badPageSize: (top: string) =>
    new GraphFault(
      400,
      'Request_UnsupportedQuery',
      `Invalid page size specified: '${top}'. Must be between 1 and 999 inclusive.`,
    ),
  inefficientFilter: () =>
    new GraphFault(400, 'InefficientFilter', 'The restriction or sort order is too complex for this operation.'),
  noSubscription: () => new GraphFault(404, 'ResourceNotFound', 'The object was not found.'),
  badSubscription: (message: string) => new GraphFault(400, 'InvalidRequest', message),
  /** What the mailbox itself refuses while a subscription is made. */
  creationRefused: ({ status, code, message }: GraphFault) => {
    const name = STATUS_CODES[status]?.replaceAll(' ', '') ?? String(status);
    const isWithoutRest = code === 'MailboxNotEnabledForRESTAPI';
    const reason = isWithoutRest ? 'REST API is not yet supported for this mailbox.' : message;
    return new GraphFault(
      status,
      'ExtensionError',
      `Operation: Create; Exception: [Status Code: ${name}; Reason: ${reason}]`,
    );
  },
  lifetimeTooLong: (minutes: number) =>
    new GraphFault(400, 'ExtensionError', `Subscription expiration can only be ${minutes} minutes in the future.`),
  subscriptionExists: (id: string) =>
    new GraphFault(409, 'Conflict', `Subscription Id <${id}> already exists for the requested combination`),
  tooManySubscriptions: (most: number) =>
    new GraphFault(403, 'Forbidden', `The mailbox has reached its limit of ${most} active subscriptions.`),
  validationStatus: (status: string) =>
    new GraphFault(
      400,
      'ValidationError',
      `Subscription validation request failed. HTTP status code is '${status}'. ${MUST_BE_OK}`,
    ),
  validationUnanswered: () =>
    new GraphFault(400, 'ValidationError', `Subscription validation request failed. ${MUST_BE_OK}`),
  validationMismatch: () =>
    new GraphFault(
      400,
      'ValidationError',
      'Subscription validation request failed. Response must exactly match validationToken query parameter.',
    ),
  validationTimeout: () => new GraphFault(400, 'ValidationError', 'Subscription validation request timed out.'),
  notOnCollections: () => new GraphFault(501, 'NotImplemented', 'This operation target is not yet supported.'),
};
