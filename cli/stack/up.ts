import { loadConfig } from '../../config/config.ts';
import { openDataFolder, type DataFolder } from '../../embedded/data-folder.ts';
import type { Cli } from '../cli.ts';
import type { UpOptions } from '../commands/up.ts';
import { aborted } from '../interrupts.ts';
import { programName, version } from '../version.ts';
import { places } from './places.ts';
import { choosePort } from './ports.ts';
import { startStack, type Stack } from './stack.ts';

/** Runs the stack of one machine until it is told to end. */
export async function up(cli: Cli, options: UpOptions): Promise<void> {
  const { notes, interrupts } = cli;
  const env = options.webhook ? cli.env : { ...cli.env, OUTHAUL_NOTIFICATIONS: 'off' };
  const { config, warnings } = loadConfig(env);
  for (const warning of warnings) notes.line(`${notes.paint('yellow', 'warning:')} ${warning}`);
  const apiPort = await choosePort({ service: 'the API', wanted: options.port ?? config.http.port, preferred: 8000 });
  const folder = await openDataFolder(options.dataDir ?? config.dataDir, { outhaulVersion: version() });
  const say = (line: string): void => notes.line(line);
  interrupts.signal.addEventListener('abort', () => say('Stopping in order. Ctrl-C again stops at once.'));
  try {
    say(`Data folder: ${folder.folder}`);
    const { temporalPort, uiPort } = options;
    const stack = await startStack({ config, env, folder, apiPort, temporalPort, uiPort, say, interrupts });
    try {
      if (stack.keys.isNew) {
        say(`Made ${stack.keys.file}: without this key file nobody can open the stored secrets. Back it up.`);
      }
      cli.out.line(cli.out.paint('bold', 'Outhaul runs. Ctrl-C stops it.'));
      for (const line of whereIsWhat(stack, folder)) cli.out.line(line);
      cli.out.line(`Scan a tenant: ${scanCommand(stack, folder, cli.env, options)}`);
      await aborted(interrupts.signal);
    } finally {
      await stack.stop();
    }
    say('Stopped.');
  } finally {
    await folder.release();
  }
}

const whereIsWhat = ({ apiUrl, services, adminKey }: Stack, folder: DataFolder): string[] =>
  places({
    API: apiUrl,
    'API docs': `${apiUrl}/docs/`,
    'Temporal Web UI': services.temporalUiUrl,
    Database: `psql '${services.databaseUrl}'`,
    Logs: folder.path('logs'),
    'API key': adminKey && (adminKey.isNew ? `${adminKey.key} (shown this once)` : `in ${adminKey.file}`),
  });

/** A command that finds this stack, as it can be typed. */
function scanCommand({ apiUrl }: Stack, { folder }: DataFolder, env: NodeJS.ProcessEnv, options: UpOptions): string {
  return [
    `${programName(env)} scan --tenant TENANT --client-id CLIENT`,
    ...(options.port === undefined ? [] : [`--url ${apiUrl}`]),
    ...(options.dataDir === undefined ? [] : [`--data-dir ${folder}`]),
  ].join(' ');
}
