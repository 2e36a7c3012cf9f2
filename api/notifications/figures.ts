/**
 * Why a notification, or a whole request, changes nothing. `foreign`: of a subscription that no running session has made.
 * `forged`: without the client state of its subscription. `replayed`: taken a short while ago. `rich`: with encrypted
 * mail. `too_large` and `too_many` are requests.
 */
const REFUSALS = ['foreign', 'forged', 'malformed', 'replayed', 'rich', 'too_large', 'too_many'] as const;
export type Refusal = (typeof REFUSALS)[number];

/** What the receiver of this process has done since its start. */
export interface NotificationFigures {
  readonly handshakes: number;
  /** Notifications whose hints are committed. */
  readonly taken: number;
  /** Of those: a hint for the same message was waiting already. */
  readonly joined: number;
  readonly lifecycle: number;
  readonly refused: Readonly<Record<Refusal, number>>;
  /** Requests answered 503, because the store or Temporal were away or slow: Graph sends them again. */
  readonly deferred: number;
  /** Readers asked: at once, by the relay. And in vain. */
  readonly woken: number;
  readonly relayed: number;
  readonly wakesFailed: number;
}

export type MutableFigures = {
  -readonly [Name in Exclude<keyof NotificationFigures, 'refused'>]: NotificationFigures[Name];
} & { readonly refused: Record<Refusal, number> };

export const noFigures = (): MutableFigures => ({
  handshakes: 0,
  taken: 0,
  joined: 0,
  lifecycle: 0,
  refused: Object.fromEntries(REFUSALS.map((reason) => [reason, 0])) as Record<Refusal, number>,
  deferred: 0,
  woken: 0,
  relayed: 0,
  wakesFailed: 0,
});
