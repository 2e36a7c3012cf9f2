import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
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

  it.each([
    ['json', /^\{"level":"INFO",.*"msg":"hello"\}\n$/],
    ['text', /^\S+Z INFO worker: hello\n$/],
  ] as const)('go into LOG_FILE as well, as %s, in a folder that is made', async (format, line) => {
    const file = join(await mkdtemp(join(tmpdir(), 'outhaul-log-')), 'logs', 'outhaul.log');
    onTestFinished(() => rm(dirname(dirname(file)), { recursive: true }));
    const lines: string[] = [];
    const stream = { write: (text: string) => void lines.push(text) };
    createLogger({ level: 'info', format, file }, { process: 'worker' }, stream).info('hello');
    await expect.poll(() => readFile(file, 'utf8')).toMatch(line);
    expect(lines).toEqual([await readFile(file, 'utf8')]);
  });

  it('cannot go into a LOG_FILE that is a folder: one sentence says so', () => {
    const log = { level: 'info', format: 'json', file: tmpdir() } as const;
    expect(() => createLogger(log, {})).toThrow(/LOG_FILE cannot be written \(EISDIR\): choose another file/);
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
