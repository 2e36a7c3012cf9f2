import { lossRate } from '../model/session.ts';
import type { Database } from '../store/database.ts';
import { deliverySpeeds, type DeliverySpeed } from '../store/delivery-speed.ts';
import type { Organization } from '../store/organizations.ts';
import { workFigures, type WorkFigures } from '../store/session-details.ts';
import {
  mailboxLosses,
  messagesSeen,
  sessionFigures,
  type MailboxLoss,
  type SessionFigures,
} from '../store/session-figures.ts';
import type { SessionRow } from '../store/sessions.ts';
import { destinationFigures, earlier, totalsOf, type DestinationFigures } from './delivery-figures.ts';

/** Everything that is counted of an organization's session; of no session: what is counted of the organization. */
export interface Figures extends SessionFigures {
  /** That the session has seen. */
  readonly messages: number;
  readonly work: WorkFigures;
  /** The mailboxes that lose most notifications. */
  readonly losses: readonly MailboxLoss[];
  /** The organization's, with or without a session. */
  readonly destinations: readonly DestinationFigures[];
  /** Of all of them together. */
  readonly speed?: DeliverySpeed | undefined;
}

/** No session has this number: all its figures are zero. */
const NO_SESSION = 0;

/** @param losses how many mailboxes are named for their losses */
export async function figuresOf(
  db: Database,
  organization: Organization,
  session: SessionRow | undefined,
  losses: number,
): Promise<Figures> {
  const { organizationId } = organization;
  const sessionNo = session?.sessionNo ?? NO_SESSION;
  const [figures, messages, work, lossesOf, destinations, speeds] = await Promise.all([
    sessionFigures(db, { organizationId, sessionNo }),
    session ? (session.messages ?? messagesSeen(db, session.scanNo)) : 0,
    workFigures(db, organization),
    mailboxLosses(db, sessionNo, { limit: losses }),
    destinationFigures(db, organizationId),
    deliverySpeeds(db, organization),
  ]);
  const speedOf = (no: number | null): DeliverySpeed | undefined =>
    speeds.find(({ destinationNo }) => destinationNo === no);
  return {
    ...{ ...figures, messages, work, losses: lossesOf, speed: speedOf(null) },
    destinations: destinations.map((each) => ({ ...each, speed: speedOf(each.destination.destinationNo) })),
  };
}

/** What is to be done by how far it is: messages to be read, and deliveries to be made. */
export function queueOf({ hints, work, quarantined, destinations }: Figures) {
  const beingRead = Math.min(hints.waiting, work.hints);
  const { waiting, owed, claimed, dead } = totalsOf(destinations);
  return {
    waiting: hints.waiting - beingRead + waiting + owed,
    in_work: beingRead + claimed,
    failed: quarantined + dead,
  };
}

/** Since when the oldest of what waits does. */
export const oldestOf = ({ hints, destinations }: Figures): string | null =>
  earlier(hints.oldestAt, totalsOf(destinations).oldestAt);

export const lossOf = ({ mailboxId, told, missed }: MailboxLoss) => ({
  mailbox_id: mailboxId,
  told,
  missed,
  rate: lossRate({ told, missed }),
});

/** The last sweep, or the last poll that somebody asked for. */
export function lastPollOf({ lastSweepAt, lastPollAt }: SessionRow): string | null {
  if (lastSweepAt === null || lastPollAt === null) return lastSweepAt ?? lastPollAt;
  return Date.parse(lastSweepAt) > Date.parse(lastPollAt) ? lastSweepAt : lastPollAt;
}
