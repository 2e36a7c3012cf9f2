import type { z } from 'zod';
import type { KeyRingState, KeysRotated } from '../api/schemas/key-ring.ts';
import type {
  ConnectionChecked,
  ConnectionList,
  ConnectionRemoved,
  ConnectionRequest,
  RotationRequest,
} from '../api/schemas/connections.ts';
import type { KeyList, KeyMade, KeyRevoked } from '../api/schemas/keys.ts';
import type { Coverage } from '../api/schemas/coverage.ts';
import type { QuarantineList, QuarantineRetried, QuarantineRetry } from '../api/schemas/quarantine.ts';
import type { ResultRows, ResultTables } from '../api/schemas/results.ts';
import type {
  ScheduleAnswer,
  ScheduleBackfill,
  ScheduleChange,
  ScheduleList,
  ScheduleRemoved,
  ScheduleRequest,
  ScheduleShown,
} from '../api/schemas/schedules.ts';
import type {
  PollStarted,
  SessionAnswer,
  SessionCleared,
  SessionHistory,
  SessionMessages,
  SessionStart,
  SessionState,
} from '../api/schemas/sessions.ts';
import type { ScanStart, ScanStarted } from '../api/schemas/scan-start.ts';
import type { ScanCancelled, ScanControlled, ScanList, ScanState, ScansReviewed } from '../api/schemas/scans.ts';
import { request, type ApiCall, type ApiClientOptions } from './api-request.ts';
import { createContactsClient, type ContactsClient } from './contacts-client.ts';
import { createDeliveryClient, type DeliveryClient } from './delivery-client.ts';

export type ScanStateAnswer = z.output<typeof ScanState>;
export type ScanListAnswer = z.output<typeof ScanList>;
export type CoverageAnswer = z.output<typeof Coverage>;
export type ResultTable = z.output<typeof ResultTables>['data']['tables'][number];
export type ResultPage = z.output<typeof ResultRows>['data'];
export type ApiKeyEntry = z.output<typeof KeyList>['keys'][number];
export type KeyRingAnswer = z.output<typeof KeyRingState>;
export type ConnectionEntry = z.output<typeof ConnectionList>['connections'][number];
export type CheckedConnection = z.output<typeof ConnectionChecked>;
export type SessionStateAnswer = z.output<typeof SessionState>;
export type EndedSession = z.output<typeof SessionHistory>['sessions'][number];
export type SessionMessagesAnswer = z.output<typeof SessionMessages>;
export type SessionRequest = z.input<typeof SessionStart>;
export type ScheduleEntry = z.output<typeof ScheduleList>['schedules'][number];
export type ScheduleChangeRequest = z.input<typeof ScheduleChange>;
export type ScheduleDone = z.output<typeof ScheduleAnswer>;
export type ScanRequest = z.input<typeof ScanStart>['config'];

/** What is done with a scan once it is started, beside cancelling it. */
export type ScanControl = 'pause' | 'resume' | 'retry-failed';

/** Starting a scan, and every check of a connection, waits for Microsoft. */
const START_DEADLINE_MS = 120_000;
/** Rotating keys goes through every stored credential. */
const ROTATE_DEADLINE_MS = 300_000;

export interface RowsOptions {
  readonly tableName: string;
  /** 1 to 1,000. */
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface CoverageOptions {
  /** 1 to 1,000. */
  readonly limit: number;
  readonly cursor?: string | undefined;
  /** Only mailboxes in which something is missing. */
  readonly incomplete?: boolean | undefined;
}

export interface SessionMessagesOptions {
  /** 1 to 1,000. */
  readonly limit: number;
  /** Of the answer before; where there is none: `from`. */
  readonly cursor?: string | undefined;
  readonly from?: 'start' | 'now' | undefined;
}

export type QuarantineEntry = z.output<typeof QuarantineList>['messages'][number];
/** Which messages in quarantine. */
export type QuarantineFilter = Omit<z.input<typeof QuarantineRetry>, 'all'>;

export interface QuarantineOptions extends QuarantineFilter {
  readonly state: 'open' | 'resolved';
  /** 1 to 1,000. */
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** The API as its client sees it. Every method throws `ApiError` or `ApiUnreachable`, or the signal's reason. */
export interface ApiClient extends DeliveryClient, ContactsClient {
  readonly url: string;
  health(): Promise<{ healthy: boolean }>;
  startScan(config: ScanRequest): Promise<z.output<typeof ScanStarted>>;
  scanState(scanId: string): Promise<ScanStateAnswer>;
  cancelScan(scanId: string): Promise<z.output<typeof ScanCancelled>>;
  controlScan(scanId: string, control: ScanControl): Promise<z.output<typeof ScanControlled>>;
  /** Has scans found that nobody runs any more, or that have not moved for so long, and set right. */
  detectCrashed(timeoutMinutes: number): Promise<z.output<typeof ScansReviewed>>;
  /** The newest scans first. */
  scans(limit: number): Promise<ScanListAnswer>;
  startSession(wanted: SessionRequest): Promise<z.output<typeof SessionAnswer>>;
  stopSession(reason: string | undefined): Promise<z.output<typeof SessionAnswer>>;
  clearSession(): Promise<z.output<typeof SessionCleared>>;
  sessionState(): Promise<SessionStateAnswer>;
  /** Sessions that have ended, the newest first. */
  sessionHistory(limit: number): Promise<EndedSession[]>;
  /** What the session sees, in the order in which it was stored. */
  sessionMessages(options: SessionMessagesOptions): Promise<SessionMessagesAnswer>;
  /** Has what has changed in the mailboxes read. */
  poll(): Promise<z.output<typeof PollStarted>>;
  makeSchedule(wanted: z.input<typeof ScheduleRequest>): Promise<ScheduleDone>;
  schedules(): Promise<ScheduleEntry[]>;
  schedule(id: string): Promise<ScheduleEntry>;
  changeSchedule(id: string, change: ScheduleChangeRequest): Promise<ScheduleDone>;
  pauseSchedule(id: string, note: string | undefined): Promise<ScheduleDone>;
  resumeSchedule(id: string): Promise<ScheduleDone>;
  triggerSchedule(id: string): Promise<ScheduleDone>;
  backfillSchedule(id: string, time: z.input<typeof ScheduleBackfill>): Promise<ScheduleDone>;
  removeSchedule(id: string): Promise<z.output<typeof ScheduleRemoved>>;
  /** Mailboxes in the order of the scan's list. */
  coverage(scanId: string, options: CoverageOptions): Promise<CoverageAnswer>;
  quarantine(options: QuarantineOptions): Promise<z.output<typeof QuarantineList>>;
  retryQuarantine(wanted: z.input<typeof QuarantineRetry>): Promise<z.output<typeof QuarantineRetried>>;
  tables(scanId: string): Promise<ResultTable[]>;
  rows(scanId: string, options: RowsOptions): Promise<ResultPage>;
  makeKey(name: string, organizationId: string | null): Promise<z.output<typeof KeyMade>>;
  keys(): Promise<ApiKeyEntry[]>;
  revokeKey(id: number): Promise<z.output<typeof KeyRevoked>>;
  connections(): Promise<ConnectionEntry[]>;
  makeConnection(wanted: z.input<typeof ConnectionRequest>): Promise<CheckedConnection>;
  rotateConnection(id: string, credential: z.input<typeof RotationRequest>): Promise<CheckedConnection>;
  checkConnection(id: string, mailbox: string | undefined): Promise<CheckedConnection>;
  removeConnection(id: string): Promise<z.output<typeof ConnectionRemoved>>;
  keyRing(): Promise<KeyRingAnswer>;
  /** @param newKey whether a key is made first; default: as the API has it */
  rotateKeys(newKey: boolean | undefined): Promise<z.output<typeof KeysRotated>>;
}

const CONNECTIONS = '/api/v1/connections';
const SCHEDULES = '/api/v1/schedules';

export function createApiClient(options: ApiClientOptions): ApiClient {
  const { organizationId } = options;
  const call = <T>(method: string, path: string, extra: ApiCall = {}): Promise<T> =>
    request<T>(options, method, path, extra);
  const scanPath = (scanId: string, rest: string): string => `/api/v1/scan/${encodeURIComponent(scanId)}/${rest}`;
  const resultPath = (scanId: string, rest: string): string => `/api/v1/results/${encodeURIComponent(scanId)}/${rest}`;
  const schedulePath = (id: string, rest = ''): string => `${SCHEDULES}/${encodeURIComponent(id)}${rest}`;
  const query = { organizationId };
  return {
    ...createDeliveryClient(call, organizationId),
    ...createContactsClient(call, organizationId),
    url: options.url,
    async health() {
      const { status } = await call<{ status: string }>('GET', '/health', { accept: [503] });
      return { healthy: status === 'healthy' };
    },
    startScan: (config) => call('POST', '/api/v1/scan/start', { body: { config }, deadlineMs: START_DEADLINE_MS }),
    scanState: (scanId) => call('GET', scanPath(scanId, 'status'), { query }),
    cancelScan: (scanId) => call('POST', scanPath(scanId, 'cancel'), { query }),
    controlScan: (scanId, control) => call('POST', scanPath(scanId, control), { query, deadlineMs: START_DEADLINE_MS }),
    detectCrashed: (timeoutMinutes) =>
      call('POST', '/api/v1/maintenance/detect-crashed', { query: { ...query, timeoutMinutes } }),
    scans: (limit) => call('GET', '/api/v1/scans', { query: { ...query, limit } }),
    startSession: (body) => call('POST', '/session/start', { query, body, deadlineMs: START_DEADLINE_MS }),
    stopSession: (reason) => call('POST', '/session/stop', { query, body: { reason } }),
    clearSession: () => call('POST', '/session/clear', { query }),
    sessionState: () => call('GET', '/session/status', { query }),
    async sessionHistory(limit) {
      const answer = await call<z.output<typeof SessionHistory>>('GET', '/session/history', {
        query: { ...query, limit },
      });
      return answer.sessions;
    },
    sessionMessages: (wanted) => call('GET', '/session/messages', { query: { ...query, ...wanted } }),
    poll: () => call('POST', '/polling/trigger', { query, deadlineMs: START_DEADLINE_MS }),
    makeSchedule: (wanted) => call('POST', SCHEDULES, { body: { ...wanted, organizationId } }),
    async schedules() {
      return (await call<z.output<typeof ScheduleList>>('GET', SCHEDULES, { query })).schedules;
    },
    async schedule(id) {
      return (await call<z.output<typeof ScheduleShown>>('GET', schedulePath(id), { query })).schedule;
    },
    changeSchedule: (id, body) => call('PATCH', schedulePath(id), { query, body }),
    pauseSchedule: (id, note) => call('POST', schedulePath(id, '/pause'), { query, body: { note } }),
    resumeSchedule: (id) => call('POST', schedulePath(id, '/resume'), { query }),
    triggerSchedule: (id) => call('POST', schedulePath(id, '/trigger'), { query }),
    backfillSchedule: (id, body) => call('POST', schedulePath(id, '/backfill'), { query, body }),
    removeSchedule: (id) => call('DELETE', schedulePath(id), { query }),
    coverage: (scanId, { limit, cursor, incomplete }) =>
      call('GET', scanPath(scanId, 'coverage'), {
        query: { ...query, limit, cursor, incomplete: incomplete ? 'true' : undefined },
      }),
    quarantine: (wanted) => call('GET', '/api/v1/quarantine', { query: { ...query, ...wanted } }),
    retryQuarantine: (body) => call('POST', '/api/v1/quarantine/retry', { query, body }),
    async tables(scanId) {
      const { data } = await call<z.output<typeof ResultTables>>('GET', resultPath(scanId, 'tables'), { query });
      return data.tables;
    },
    async rows(scanId, rows) {
      const answer = await call<z.output<typeof ResultRows>>('GET', resultPath(scanId, 'data'), {
        query: { ...query, ...rows },
      });
      return answer.data;
    },
    makeKey: (name, owner) => call('POST', '/api/v1/keys', { body: { name, organizationId: owner } }),
    async keys() {
      return (await call<z.output<typeof KeyList>>('GET', '/api/v1/keys', { query })).keys;
    },
    revokeKey: (id) => call('DELETE', `/api/v1/keys/${id}`),
    async connections() {
      return (await call<z.output<typeof ConnectionList>>('GET', CONNECTIONS, { query })).connections;
    },
    makeConnection: (body) => call('POST', CONNECTIONS, { body, deadlineMs: START_DEADLINE_MS }),
    rotateConnection: (id, body) =>
      call('POST', `${CONNECTIONS}/${id}/rotate`, { body, deadlineMs: START_DEADLINE_MS }),
    checkConnection: (id, mailbox) =>
      call('POST', `${CONNECTIONS}/${id}/check`, { body: { mailbox }, deadlineMs: START_DEADLINE_MS }),
    removeConnection: (id) => call('DELETE', `${CONNECTIONS}/${id}`),
    keyRing: () => call('GET', '/api/v1/maintenance/key-ring'),
    rotateKeys: (newKey) =>
      call('POST', '/api/v1/maintenance/rotate-keys', {
        query: { newKey: newKey === undefined ? undefined : String(newKey) },
        deadlineMs: ROTATE_DEADLINE_MS,
      }),
  };
}
