import { describe, expect, it } from 'vitest';
import { commandOf } from '../../chaos/command.ts';

describe('the command that makes a run again', () => {
  const size = { minutes: 1.5, seed: 4, workers: 2, mailboxes: 8, messages: 6_000 };

  it('says everything that the faults depend on', () => {
    const command = 'npm run chaos -- --minutes 1.5 --seed 4 --workers 2 --mailboxes 8 --messages 6000';
    expect(commandOf(size)).toBe(command);
    expect(commandOf({ ...size, live: true })).toBe(`${command} --live`);
  });

  it('names the full Temporal server as one word', () => {
    expect(commandOf({ ...size, temporalOnPostgres: '/opt/temporal' })).toMatch(
      / --temporal-on-postgres \/opt\/temporal$/,
    );
    expect(commandOf({ ...size, temporalOnPostgres: "/our servers/it's" })).toMatch(/ '\/our servers\/it'\\''s'$/);
  });
});
