import { describe, expect, it } from 'vitest';
import { HintWriter, type HintWriterOptions } from '../../../api/notifications/hint-writer.ts';
import { StoreUnavailable } from '../../../store/errors.ts';
import type { NewHint } from '../../../store/hints.ts';

const hint = (messageId: string): NewHint => ({ sessionNo: 1, mailboxId: 'mailbox', messageId });
const soon = (): number => performance.now() + 10_000;

/** A writer whose statements end when they are told to. */
function stage(options: Partial<HintWriterOptions> = {}) {
  const statements: { ids: string[]; end: (error?: Error) => void }[] = [];
  const writer = new HintWriter({
    joinMs: 0,
    onWritten: () => undefined,
    write: (hints) =>
      new Promise((resolve, reject) => {
        const end = (error?: Error): void => (error ? reject(error) : resolve([]));
        statements.push({ ids: hints.map(({ messageId }) => messageId), end });
      }),
    ...options,
  });
  const next = async (): Promise<(typeof statements)[number]> => {
    for (;;) {
      const statement = statements.shift();
      if (statement) return statement;
      await new Promise(setImmediate);
    }
  };
  return { writer, next };
}

describe('hints to be written', () => {
  it('wait while enough statements are under way, and go together', async () => {
    const { writer, next } = stage({ atOnce: 1 });
    const first = writer.add([hint('1')], soon());
    const { end } = await next();
    const later = [writer.add([hint('2')], soon()), writer.add([hint('3'), hint('4')], soon())];
    end();
    await first;
    const second = await next();
    expect(second.ids).toEqual(['2', '3', '4']);
    second.end();
    await Promise.all(later);
  });

  it('of which nobody waits any more are dropped', async () => {
    const { writer, next } = stage();
    const late = writer.add([hint('late')], performance.now() - 1);
    const intime = writer.add([hint('in time')], soon());
    await expect(late).rejects.toMatchObject({ status: 503 });
    const statement = await next();
    expect(statement.ids).toEqual(['in time']);
    statement.end();
    await intime;
  });

  it('are tried once more when the store was away for a moment, and then given up', async () => {
    const { writer, next } = stage();
    const written = writer.add([hint('1')], soon());
    (await next()).end(new StoreUnavailable('gone'));
    const again = await next();
    expect(again.ids).toEqual(['1']);
    again.end(new StoreUnavailable('gone'));
    await expect(written).rejects.toBeInstanceOf(StoreUnavailable);
  });

  it('are refused when too many wait', async () => {
    const { writer, next } = stage({ mostWaiting: 2 });
    const waiting = writer.add([hint('1'), hint('2')], soon());
    await expect(writer.add([hint('3')], soon())).rejects.toMatchObject({ status: 503 });
    (await next()).end();
    await waiting;
    const more = writer.add([hint('3')], soon());
    (await next()).end();
    await more;
  });

  it('make a statement of their own where they are many', async () => {
    const { writer, next } = stage({ mostHints: 2, atOnce: 2, joinMs: 60_000 });
    const all = ['1', '2', '3', '4'].map((id) => writer.add([hint(id)], soon()));
    const statements = [await next(), await next()];
    expect(statements.map(({ ids }) => ids)).toEqual([
      ['1', '2'],
      ['3', '4'],
    ]);
    for (const { end } of statements) end();
    await Promise.all(all);
  });
});
