import pg from 'pg';
import { storableText } from '../model/text.ts';

/** How values come out of the database: times as ISO 8601 in UTC (years 1 to 9999), 64-bit counts as numbers. */
const PARSERS = new Map<number, (text: string) => unknown>([
  [pg.types.builtins.INT8, Number],
  [pg.types.builtins.NUMERIC, Number],
  [pg.types.builtins.TIMESTAMPTZ, (text) => `${text.slice(0, 10)}T${text.slice(11).replace(/\+00$/, 'Z')}`],
]);

/** The connections' type parsers; everything not named above is parsed as `pg` does. */
export const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary'): unknown =>
    (format !== 'binary' && PARSERS.get(oid)) || pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

/** Items by id, in the order of their first appearance; of several with one id the last stays. */
export const byId = <Item extends { readonly id: string }>(items: readonly Item[]): Map<string, Item> =>
  new Map(items.map((item) => [storableText(item.id), item]));

/**
 * A large text as a parameter, which nobody holds any more once it has been sent: `pg` asks for it as it writes the
 * statement (https://node-postgres.com/features/queries), but keeps the parameters until the answer has come.
 */
export function handedOver(text: string): { toPostgres(): string } {
  let whole: string | undefined = text;
  return {
    toPostgres() {
      if (whole === undefined) throw new Error('The text has been handed over already');
      const taken = whole;
      whole = undefined;
      return taken;
    },
  };
}
