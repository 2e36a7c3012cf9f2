import { describe, expect, it } from 'vitest';
import { StartError } from '../../api/errors.ts';
import { ConfigError } from '../../config/config.ts';
import { KeyRingError } from '../../config/key-ring.ts';
import { PortTakenError } from '../../embedded/errors.ts';
import { CommandError, explain } from '../../cli/errors.ts';
import { StoreUnavailable } from '../../store/errors.ts';
import { TemporalUnavailable } from '../../temporal/connection.ts';

const withCode = (code: string, fields: object = {}) =>
  Object.assign(new Error(`${code}: failed`), { code, ...fields });

describe('what a person is told of an error', () => {
  it.each([
    ['a fault of the configuration', new ConfigError(['PORT is wrong']), 2, 'PORT is wrong'],
    ['an unusable key ring', new KeyRingError('The key ring is empty'), 2, 'key ring is empty'],
    ['a taken port', new PortTakenError('the API', 8000), 4, 'Port 8000'],
    ['an API that cannot start', new StartError('Port 80 is not open'), 1, 'Port 80'],
    ['a database that is away', new StoreUnavailable('the database is not available'), 1, 'The database is not'],
    ['a database that refuses', withCode('28P01', { severity: 'FATAL' }), 1, 'PostgreSQL refuses'],
    ['a Temporal server that is away', new TemporalUnavailable('t:7233', undefined), 1, 'TEMPORAL_ADDRESS'],
    ['a file that is not there', withCode('ENOENT', { path: '/x/y' }), 4, '/x/y does not exist'],
    ['a file of others', withCode('EACCES', { path: '/x/y' }), 4, '/x/y may not be used by this user'],
    ['a full disk', withCode('ENOSPC', { path: '/x/y' }), 4, 'the disk is full'],
  ])('%s', (_what, error, exitCode, words) => {
    const explanation = explain(error);
    expect(explanation.exitCode).toBe(exitCode);
    expect(explanation.message).toContain(words);
    expect(explanation.advice ?? '').not.toContain('not foreseen');
  });

  it('is the advice of the command, where it has some', () => {
    expect(explain(new CommandError('It failed', { advice: 'Do that.', exitCode: 4 }))).toMatchObject({
      message: 'It failed',
      advice: 'Do that.',
      exitCode: 4,
    });
  });

  it.each([new TypeError('x is not a function'), new Error(''), 'a string', undefined])(
    'says of %s that it was not foreseen',
    (error) => {
      expect(explain(error)).toMatchObject({
        exitCode: 1,
        advice: expect.stringContaining('LOG_LEVEL=debug') as string,
      });
    },
  );
});
