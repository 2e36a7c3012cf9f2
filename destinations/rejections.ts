import { boundedText } from './verdict.ts';

/** What a result in a batch's answer may call a message that was not taken. */
const REFUSED: ReadonlySet<unknown> = new Set(['error', 'rejected', 'refused', 'failed']);

/**
 * The messages of an accepted batch that the receiver names as refused, by `message_id`, each with its words. Either of
 * these two is understood, beside whatever else the answer holds; an answer without them refuses nothing.
 *
 * - `{"rejected": [{"message_id": "...", "error": "..."}]}`, or the ids alone
 * - `{"results": [{"message_id": "...", "status": "rejected", "error": "..."}]}`, where other statuses are accepted
 */
export function rejectionsIn(answer: unknown): Map<string, string> {
  const rejections = new Map<string, string>();
  for (const entry of listIn(answer, 'rejected'))
    add(rejections, typeof entry === 'string' ? { message_id: entry } : entry);
  for (const entry of listIn(answer, 'results')) if (REFUSED.has(memberOf(entry, 'status'))) add(rejections, entry);
  return rejections;
}

function add(rejections: Map<string, string>, entry: unknown): void {
  const id = memberOf(entry, 'message_id');
  const words = memberOf(entry, 'error') ?? memberOf(entry, 'message');
  if (typeof id !== 'string') return;
  rejections.set(
    id,
    (typeof words === 'string' && boundedText(words)) || 'Refused by the receiver, which did not say why',
  );
}

function listIn(answer: unknown, member: string): readonly unknown[] {
  const list = memberOf(answer, member);
  return Array.isArray(list) ? list : [];
}

const memberOf = (value: unknown, member: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[member] : undefined;
