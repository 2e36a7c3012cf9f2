import { describe, expect, it } from 'vitest';
import { createLogger, describeError } from '../../config/logging.ts';

const linesOf = (format: 'json' | 'text', write: (log: ReturnType<typeof createLogger>) => void): string[] => {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  write(createLogger({ level: 'info', format, file: undefined }, { process: 'worker' }, stream));
  return lines;
};

describe('log lines', () => {
  it('have the level in capitals, as operators grep for it, in both forms', () => {
    const [json] = linesOf('json', (log) => log.error('it failed'));
    expect(JSON.parse(json ?? '')).toMatchObject({ level: 'ERROR', msg: 'it failed', process: 'worker' });
    const [text] = linesOf('text', (log) => log.error({ scanNo: 3 }, 'it failed'));
    expect(text).toMatch(/^\S+Z ERROR worker: it failed scanNo=3\n$/);
  });

  it('stay one line, whatever a value holds', () => {
    const [text] = linesOf('text', (log) => log.warn({ name: 'a\nERROR b' }, 'c\nd'));
    expect(text?.trimEnd()).not.toContain('\n');
  });

  it('hide members that could hold a secret', () => {
    const [json] = linesOf('json', (log) => log.info({ auth: { clientSecret: 'planted' }, token: 'planted' }, 'hello'));
    expect(json).not.toContain('planted');
  });

  it('of a PostgreSQL error leave out what holds rows', () => {
    const error = Object.assign(new Error('duplicate key'), {
      code: '23505',
      detail: 'Key (subject)=(planted) exists',
    });
    const [json] = linesOf('json', (log) => log.error({ err: new Error('stored not', { cause: error }) }, 'failed'));
    expect(json).not.toContain('planted');
    expect(describeError(error)).toMatchObject({ type: 'Error', code: '23505', message: 'duplicate key' });
  });
});
