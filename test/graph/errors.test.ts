import { describe, expect, test } from 'vitest';
import { GraphError, mayBeContent, type GraphErrorKind } from '../../graph/errors.ts';
import { graphErrorFrom, type GraphTarget } from '../../graph/refusal.ts';

type Row = readonly [code: string, status: number, target: GraphTarget, kind: GraphErrorKind];

/** Every code of Graph that the room knows, with the status it comes with. */
const ROWS: readonly Row[] = [
  ['InvalidAuthenticationToken', 401, 'mailbox', 'credential_refused'],
  ['Authorization_RequestDenied', 403, 'directory', 'permission_missing'],
  ['ErrorAccessDenied', 403, 'mailbox', 'mailbox_denied'],
  ['ErrorAccessDenied', 403, 'folder', 'mailbox_denied'],
  ['MailboxNotEnabledForRESTAPI', 404, 'folder', 'mailbox_missing'],
  ['MailboxNotSupportedForRESTAPI', 404, 'mailbox', 'mailbox_missing'],
  ['ErrorInvalidUser', 404, 'folder', 'mailbox_missing'],
  ['ResourceNotFound', 404, 'mailbox', 'mailbox_missing'],
  ['Request_ResourceNotFound', 404, 'mailbox', 'mailbox_missing'],
  ['ErrorNonExistentMailbox', 404, 'mailbox', 'mailbox_missing'],
  ['ErrorItemNotFound', 404, 'message', 'item_missing'],
  ['itemNotFound', 404, 'message', 'item_missing'],
  ['ErrorItemNotFound', 404, 'folder', 'folder_missing'],
  ['ErrorItemNotFound', 404, 'mailbox', 'mailbox_missing'],
  ['ErrorSyncFolderNotFound', 404, 'folder', 'folder_missing'],
  ['ErrorFolderNotFound', 404, 'folder', 'folder_missing'],
  ['ErrorInvalidIdMalformed', 400, 'message', 'bad_request'],
  ['ErrorInvalidUrlQuery', 400, 'folder', 'bad_request'],
  ['ErrorInvalidRequest', 400, 'folder', 'bad_request'],
  ['ErrorInvalidRequest', 405, 'message', 'bad_request'],
  ['BadRequest', 400, 'folder', 'bad_request'],
  ['RequestBroker--ParseUri', 400, 'folder', 'bad_request'],
  ['InefficientFilter', 400, 'folder', 'bad_request'],
  ['SyncStateNotFound', 410, 'folder', 'sync_state_lost'],
  ['syncStateNotFound', 400, 'folder', 'sync_state_lost'],
  ['resyncRequired', 410, 'folder', 'sync_state_lost'],
  ['ResyncRequired', 400, 'folder', 'sync_state_lost'],
  ['SyncStateInvalid', 400, 'folder', 'sync_state_lost'],
  ['SomethingNew', 410, 'folder', 'sync_state_lost'],
  ['ErrorQuotaExceeded', 507, 'folder', 'quota_exceeded'],
  ['ErrorQuotaExceeded', 403, 'folder', 'quota_exceeded'],
  ['ApplicationThrottled', 429, 'folder', 'throttled'],
  ['TooManyRequests', 429, 'directory', 'throttled'],
  ['ErrorTooManyObjectsOpened', 429, 'message', 'throttled'],
  ['ErrorExceededMessageLimit', 429, 'message', 'throttled'],
  ['SomethingNew', 429, 'message', 'throttled'],
  ['MailboxInfoStale', 503, 'folder', 'mailbox_busy'],
  ['ErrorMailboxMoveInProgress', 503, 'folder', 'mailbox_busy'],
  ['ErrorMailboxStoreUnavailable', 503, 'folder', 'mailbox_busy'],
  ['ErrorServerBusy', 503, 'folder', 'mailbox_busy'],
  ['ServiceUnavailable', 503, 'folder', 'mailbox_busy'],
  ['ServiceUnavailable', 503, 'directory', 'unavailable'],
  ['UnknownError', 503, 'folder', 'mailbox_busy'],
  ['Directory_ExpiredPageToken', 400, 'directory', 'sync_state_lost'],
  ['UnknownError', 500, 'folder', 'server_error'],
  ['UnknownError', 502, 'folder', 'server_error'],
  ['UnknownError', 504, 'folder', 'too_slow'],
  ['UnknownError', 408, 'folder', 'too_slow'],
  ['UnknownError', 413, 'folder', 'body_too_large'],
  ['UnknownError', 424, 'message', 'unavailable'],
  ['UnknownError', 403, 'folder', 'mailbox_denied'],
  ['InternalServerError', 500, 'folder', 'server_error'],
  ['InternalServerError', 504, 'folder', 'too_slow'],
  ['ErrorInternalServerError', 500, 'folder', 'server_error'],
  ['ErrorTimeoutExpired', 504, 'folder', 'too_slow'],
  ['ErrorTimeoutExpired', 500, 'folder', 'too_slow'],
  ['generalException', 502, 'folder', 'server_error'],
  ['ErrorCorruptData', 500, 'message', 'poison'],
  ['ErrorContentConversionFailed', 500, 'message', 'poison'],
  ['ErrorInvalidRecipients', 400, 'message', 'poison'],
  ['ErrorMimeContentConversionFailed', 500, 'message', 'poison'],
  ['ErrorCannotOpenFileAttachment', 500, 'message', 'poison'],
  ['NotImplemented', 501, 'directory', 'bad_request'],
  ['SomethingNew', 400, 'folder', 'bad_request'],
  ['SomethingNew', 403, 'directory', 'permission_missing'],
  ['SomethingNew', 404, 'folder', 'folder_missing'],
  ['SomethingNew', 404, 'directory', 'bad_request'],
  ['SomethingNew', 500, 'folder', 'server_error'],
  ['SomethingNew', 505, 'folder', 'unavailable'],
  ['SomethingNew', 302, 'folder', 'unavailable'],
];

/** The kinds for which asking for less may help. */
const OF_CONTENT: readonly GraphErrorKind[] = ['body_too_large', 'too_slow', 'server_error', 'poison'];
const RETRYABLE: readonly GraphErrorKind[] = ['throttled', 'mailbox_busy', 'unavailable', 'too_slow', 'server_error'];

describe('A refusal of Graph', () => {
  test.each(ROWS)('%s with status %i about a %s is %s, in any case of letters', (code, status, target, kind) => {
    for (const spelled of [code, code.toLowerCase(), code.toUpperCase()]) {
      const error = graphErrorFrom({ status, headers: {}, body: { error: { code: spelled, message: 'x' } }, target });
      expect(error).toMatchObject({ kind, code: spelled, status, retryable: RETRYABLE.includes(kind) });
      expect(mayBeContent(error)).toBe(OF_CONTENT.includes(kind));
    }
  });

  test('keeps the addresses that Graph puts into its words out of the error', () => {
    const body = {
      error: { code: 'ErrorInvalidUser', message: "The requested user 'ada@harbour.example' is invalid." },
    };
    const error = graphErrorFrom({ status: 404, headers: {}, body, target: 'mailbox' });
    expect(JSON.stringify(Object.values(error)) + error.message + error.stack).not.toContain('ada');
    expect(error.message).toBe('The user has no mailbox that Microsoft Graph can read (404 ErrorInvalidUser)');
  });

  test('brings the request id of the body, or that of the header, and the wait', () => {
    const innerError = { 'request-id': 'aaaa-1', date: '2026-11-20T10:00:00' };
    const body = { error: { code: 'TooManyRequests', message: '', innerError } };
    const headers = { 'request-id': 'bbbb-2', 'retry-after': '2.128' };
    const refusal = { status: 429, headers, target: 'mailbox' } as const;
    expect(graphErrorFrom({ ...refusal, body })).toMatchObject({ requestId: 'aaaa-1', retryAfterMs: 2128 });
    expect(graphErrorFrom({ ...refusal, body: undefined })).toMatchObject({ requestId: 'bbbb-2', code: 'HTTP429' });
  });

  test('takes the inner code where the outer one says nothing', () => {
    const body = { error: { code: 'generalException', message: '', innererror: { code: 'ErrorCorruptData' } } };
    expect(graphErrorFrom({ status: 500, headers: {}, body, target: 'message' }).kind).toBe('poison');
  });

  test('is understood without a body, with HTML, and with an envelope of the wrong shape', () => {
    for (const body of [
      undefined,
      null,
      '',
      [],
      { error: 'no' },
      { error: { code: 7, innerError: 'x' } },
      { error: null },
    ]) {
      const error = graphErrorFrom({ status: 503, headers: {}, body, target: 'folder' });
      expect(error).toMatchObject({ kind: 'mailbox_busy', code: 'HTTP503', requestId: undefined });
    }
  });

  test('does not repeat a code or an id that could be anything', () => {
    const body = { error: { code: 'ada@harbour.example <script>', innerError: { 'request-id': 'x y' } } };
    const error = graphErrorFrom({ status: 400, headers: {}, body, target: 'folder' });
    expect(error).toMatchObject({ code: 'HTTP400', requestId: undefined });
  });

  test('says what permission to grant and where, when the app may not list users', () => {
    const body = { error: { code: 'Authorization_RequestDenied', message: '' } };
    const error = graphErrorFrom({ status: 403, headers: {}, body, target: 'directory' });
    expect(error.reason).toMatch(/API permissions.*User\.Read\.All.*Grant admin consent/s);
  });

  test('by throttling says whether it struck a mailbox or the whole app', () => {
    const scopeOf = (target: GraphTarget, code: string, headers: Record<string, string> = {}): unknown =>
      graphErrorFrom({ status: 429, headers, body: { error: { code, message: '' } }, target }).scope;
    expect(scopeOf('folder', 'ApplicationThrottled', { 'retry-after': '1' })).toBe('mailbox');
    expect(scopeOf('folder', 'TooManyRequests')).toBe('mailbox');
    expect(scopeOf('folder', 'TooManyRequests', { 'retry-after': '1' })).toBe('connection');
    expect(scopeOf('directory', 'ApplicationThrottled')).toBe('connection');
    const directory = { 'x-ms-throttle-scope': 'Tenant_Application/ReadWrite/app/tenant/ticket' };
    expect(scopeOf('folder', 'ApplicationThrottled', directory)).toBe('connection');
    expect(graphErrorFrom({ status: 503, headers: {}, body: {}, target: 'directory' }).scope).toBeUndefined();
  });

  test('keeps its cause', () => {
    const cause = new Error('below');
    expect(new GraphError('above', { kind: 'unavailable', code: 'NetworkError', cause }).cause).toBe(cause);
  });
});
