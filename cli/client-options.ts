import { join } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { createApiClient, type ApiClient } from './api-client.ts';
import type { Cli } from './cli.ts';
import { UsageError } from './errors.ts';
import { identifier, webUrl } from './options.ts';
import { readTextFile, readTextFileIfThere } from './text-file.ts';

/** What every command that is a client of the API understands. */
export interface ClientOptions {
  readonly url?: string;
  readonly apiKeyFile?: string;
  readonly dataDir?: string;
  readonly organization?: string;
}

/** The file in the data folder of `outhaul up` that holds the administrator's key. */
export const API_KEY_FILE = 'api-key';

export function withClientOptions(command: Command): Command {
  return command
    .optionsGroup('The API:')
    .option(
      '--url <url>',
      'where the API listens (default: http://127.0.0.1:PORT, PORT from the environment or 8000)',
      webUrl,
    )
    .option(
      '--api-key-file <file>',
      'file with the API key (default: OUTHAUL_API_KEY, then the data folder of `outhaul up`)',
    )
    .option('--data-dir <folder>', 'data folder of `outhaul up` (default: OUTHAUL_DATA_DIR)');
}

/** `--organization`, for administrators, where a scan's id alone may not be enough. */
export function withOrganization(command: Command): Command {
  return command.option('--organization <id>', 'the organization, where the key is an administrator’s', identifier);
}

/** A client of the API that the options name, with the key that fits. */
export async function openClient(cli: Cli, options: ClientOptions): Promise<ApiClient> {
  const { config } = loadConfig(cli.env);
  return createApiClient({
    url: options.url ?? `http://127.0.0.1:${config.http.port}`,
    key: await findApiKey(cli.env, options.apiKeyFile, options.dataDir ?? config.dataDir),
    organizationId: options.organization,
    signal: cli.interrupts.signal,
  });
}

/** From the file that was named, `OUTHAUL_API_KEY`, or the data folder, in this order. */
async function findApiKey(
  env: NodeJS.ProcessEnv,
  file: string | undefined,
  dataDir: string,
): Promise<string | undefined> {
  if (file !== undefined) return checkKey(await readTextFile(file), file);
  if (env['OUTHAUL_API_KEY']) return checkKey(env['OUTHAUL_API_KEY'], 'OUTHAUL_API_KEY');
  const kept = join(dataDir, API_KEY_FILE);
  const text = await readTextFileIfThere(kept);
  return text === undefined ? undefined : checkKey(text, kept);
}

/** A header cannot hold everything that a file can, and its error would repeat it. */
function checkKey(text: string, source: string): string {
  const key = text.trim();
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new UsageError(`${source} does not hold an API key`, 'A key is one line, such as outhaul_1_….');
}
