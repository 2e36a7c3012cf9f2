import type { z } from 'zod';
import type {
  DeadLetterCauses,
  DeadLetterDrop,
  DeadLetterList,
  DeadLetterRetry,
  DeadLetterShown,
  DeadLettersDropped,
  DeadLettersRetried,
} from '../api/schemas/dead-letters.ts';
import type {
  DestinationAnswer,
  DestinationChange,
  DestinationList,
  DestinationRemoved,
  DestinationTested,
  ReplayRequest,
  ReplayStarted,
} from '../api/schemas/destinations.ts';
import type { DestinationKind, DestinationStart } from '../model/destination.ts';
import type { ApiCall } from './api-request.ts';

export type DestinationEntry = z.output<typeof DestinationList>['destinations'][number];
export type DestinationDone = z.output<typeof DestinationAnswer>;
export type DestinationChangeRequest = z.input<typeof DestinationChange>;
export type DeadLetterEntry = z.output<typeof DeadLetterList>['letters'][number];
export type DeadLetterCause = z.output<typeof DeadLetterCauses>['causes'][number];

/** A destination to make; the API says which settings fit its kind. */
export interface NewDestinationRequest {
  readonly name: string;
  readonly kind: DestinationKind;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly secret?: Readonly<Record<string, unknown>> | undefined;
  readonly starts?: DestinationStart | undefined;
}

/** Which dead letters are shown. */
export interface DeadLetterOptions {
  readonly destination?: string | undefined;
  readonly cause?: string | undefined;
  readonly answered?: 'true' | undefined;
  /** 1 to 1,000. */
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** The API's calls about what is handed on. */
export interface DeliveryClient {
  makeDestination(wanted: NewDestinationRequest): Promise<DestinationDone>;
  destinations(): Promise<DestinationEntry[]>;
  changeDestination(id: string, change: DestinationChangeRequest): Promise<DestinationDone>;
  pauseDestination(id: string): Promise<DestinationDone>;
  resumeDestination(id: string): Promise<DestinationDone>;
  testDestination(id: string): Promise<z.output<typeof DestinationTested>>;
  replayDestination(id: string, time: z.input<typeof ReplayRequest>): Promise<z.output<typeof ReplayStarted>>;
  removeDestination(id: string, drop: boolean): Promise<z.output<typeof DestinationRemoved>>;
  deadLetters(options: DeadLetterOptions): Promise<z.output<typeof DeadLetterList>>;
  deadLetter(deliveryNo: number): Promise<DeadLetterEntry>;
  deadLetterCauses(): Promise<DeadLetterCause[]>;
  retryDeadLetters(wanted: z.input<typeof DeadLetterRetry>): Promise<z.output<typeof DeadLettersRetried>>;
  dropDeadLetters(wanted: z.input<typeof DeadLetterDrop>): Promise<z.output<typeof DeadLettersDropped>>;
}

const DESTINATIONS = '/api/v1/destinations';
const DEAD_LETTERS = '/api/v1/dead-letters';
/** What goes through all that a destination is owed. */
const LONG_MS = 300_000;

/** @param organizationId the administrator's choice of organization */
export function createDeliveryClient(
  call: <T>(method: string, path: string, extra?: ApiCall) => Promise<T>,
  organizationId: string | undefined,
): DeliveryClient {
  const query = { organizationId };
  const one = (id: string, rest = ''): string => `${DESTINATIONS}/${encodeURIComponent(id)}${rest}`;
  return {
    makeDestination: (wanted) => call('POST', DESTINATIONS, { body: { ...wanted, organizationId } }),
    async destinations() {
      return (await call<z.output<typeof DestinationList>>('GET', DESTINATIONS, { query })).destinations;
    },
    changeDestination: (id, body) => call('PATCH', one(id), { body }),
    pauseDestination: (id) => call('POST', one(id, '/pause')),
    resumeDestination: (id) => call('POST', one(id, '/resume')),
    testDestination: (id) => call('POST', one(id, '/test')),
    replayDestination: (id, body) => call('POST', one(id, '/replay'), { body }),
    removeDestination: (id, drop) =>
      call('DELETE', one(id), { query: { drop: drop ? 'true' : undefined }, deadlineMs: LONG_MS }),
    deadLetters: (wanted) => call('GET', DEAD_LETTERS, { query: { ...query, ...wanted } }),
    async deadLetter(deliveryNo) {
      const path = `${DEAD_LETTERS}/${deliveryNo}`;
      return (await call<z.output<typeof DeadLetterShown>>('GET', path, { query })).letter;
    },
    async deadLetterCauses() {
      return (await call<z.output<typeof DeadLetterCauses>>('GET', `${DEAD_LETTERS}/causes`, { query })).causes;
    },
    retryDeadLetters: (body) => call('POST', `${DEAD_LETTERS}/retry`, { query, body, deadlineMs: LONG_MS }),
    dropDeadLetters: (body) => call('POST', `${DEAD_LETTERS}/drop`, { query, body, deadlineMs: LONG_MS }),
  };
}
