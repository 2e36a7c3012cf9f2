import { updateMessage } from '../tenant/changes.ts';
import type { Answer } from './answer.ts';
import { readObject } from './body.ts';
import { faults } from './fault.ts';
import { getMessage } from './messages.ts';
import { type GraphRequest, type GraphWorld, openMailbox, openMessage } from './request.ts';

/** `PATCH …/messages/{id}` `{isRead}`. Saying what is so already changes nothing. */
export function patchMessage(
  world: GraphWorld,
  request: GraphRequest,
  place: { user: string; folder?: string; message: string },
): Answer {
  if (!request.roles.has('Mail.ReadWrite')) throw faults.mailDenied();
  const { mailbox } = openMailbox(world, request, place.user);
  const { ordinal } = openMessage(mailbox, place.message, place.folder);
  const { isRead, ...others } = readObject(request.body);
  const [other] = Object.keys(others);
  if (other !== undefined) throw faults.badRequest(`The property '${other}' cannot be changed here.`);
  if (typeof isRead !== 'boolean') throw faults.badRequest("'isRead' must be true or false.");
  if (mailbox.isRead(ordinal) !== isRead) updateMessage(mailbox, ordinal, { isRead }, Math.floor(Date.now() / 1000));
  return getMessage(world, request, place);
}
