import { createHash } from 'node:crypto';
import type { Cut, Item } from './sender.ts';

/** A batch of these, in this order. Its id follows from them: the same messages make the same batch. */
export function cutOf(items: readonly Item[]): Cut {
  const hash = createHash('sha256');
  for (const { idempotencyKey } of items) hash.update(`${idempotencyKey}\n`);
  return { id: hash.digest('hex').slice(0, 32), deliveryNos: items.map(({ deliveryNo }) => deliveryNo) };
}

/** The first and the second half; of one alone there is one. */
export function inHalves<T>(values: readonly T[]): (readonly T[])[] {
  const middle = Math.ceil(values.length / 2);
  return [values.slice(0, middle), values.slice(middle)].filter((half) => half.length > 0);
}
