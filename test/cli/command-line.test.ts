import { describe, expect, it } from 'vitest';
import { buildProgram } from '../../cli/program.ts';
import { fakeCli, runCli } from './fake-cli.ts';

describe('the command line', () => {
  it('shows every command with --help, and exits with 0', async () => {
    const { code, out } = await runCli(['--help']);
    expect(code).toBe(0);
    for (const command of [
      'up',
      'demo',
      'simulate',
      'scan',
      'status',
      'cancel',
      'results',
      'keys',
      'config',
      'api',
      'worker',
    ])
      expect(out).toMatch(new RegExp(`^  ${command} `, 'm'));
  });

  it('has help with an example for every command', async () => {
    const program = buildProgram(fakeCli());
    const names = program.commands.map((command) => [command.name()]);
    const ofKeys = program.commands.find((command) => command.name() === 'keys')?.commands ?? [];
    for (const words of [...names, ...ofKeys.map((command) => ['keys', command.name()])]) {
      const { code, out } = await runCli([...words, '--help']);
      expect(code).toBe(0);
      expect(out, words.join(' ')).toMatch(/Examples?:\n {2}\$/);
    }
  });

  it('shows its help on standard error and exits with 2 when nothing is asked of it', async () => {
    const { code, out, notes } = await runCli([]);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(notes).toContain('Usage: outhaul');
  });

  it.each([
    [['nonsense'], "unknown command 'nonsense'"],
    [['status', '--nonsense'], "unknown option '--nonsense'"],
    [['status', 'a b'], 'must be 1 to 100 letters'],
    [['status', 'x'.repeat(101)], 'must be 1 to 100 letters'],
    [['status', '--limit', '0'], 'whole number between 1 and 1000'],
    [['status', '--limit', '1e3'], 'whole number between 1 and 1000'],
    [['status', '--watch'], '--watch needs the id of a scan'],
    [['cancel'], "missing required argument 'scanId'"],
    [['up', '--port', '70000'], 'between 0 and 65535'],
    [['up', '--port', 'http'], 'between 0 and 65535'],
    [['scan', '--organization', "a'; DROP TABLE scans"], 'must be 1 to 100 letters'],
    [['scan', '--since', 'yesterday'], 'must be a date'],
    [['scan', '--since', '2026-02-30T00:00:00Q'], 'must be a date'],
    [['scan', '--mode', 'both'], 'Allowed choices are full, incremental'],
    [['scan', '--folders', ','], 'must name something'],
    [['scan', '--url', 'ftp://example.com'], 'must be a URL'],
    [['results', 'x', '--json', '--csv'], "'--json' cannot be used with option '--csv'"],
    [['keys', 'create', '--name', 'n'], 'Whose key is it?'],
    [['keys', 'create', '--name', 'n', '--admin', '--organization', 'o'], 'Whose key is it?'],
    [['keys', 'revoke', 'all'], 'whole number between 1 and'],
    [['demo', '--messages', '-1'], 'whole number'],
    [['demo', '--mail', '/nonexistent/mail'], 'is not a folder'],
  ])('refuses %j with exit code 2 and says why', async (args, why) => {
    const { code, out, notes } = await runCli(args);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(notes).toContain(why);
  });

  it.each([[['scan', '--client-secret', 'S3cret-value!']], [['scan', '--client-secret=S3cret-value!']]])(
    'refuses a secret as an argument (%j), explains, and does not repeat it',
    async (args) => {
      const { code, notes } = await runCli(args);
      expect(code).toBe(2);
      expect(notes).toContain('not taken as an argument');
      expect(notes).toContain('--client-secret-file');
      expect(notes).not.toContain('S3cret');
    },
  );

  it('lists every fault of the configuration at once', async () => {
    const { code, notes } = await runCli(['status'], { env: { PORT: 'http', LOG_LEVEL: 'loud' } });
    expect(code).toBe(2);
    expect(notes).toContain('PORT must be a whole number');
    expect(notes).toContain('LOG_LEVEL must be debug');
    expect(notes).toContain('outhaul config');
  });
});
