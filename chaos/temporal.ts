import { cacheDir } from '../config/config.ts';
import type { Service } from '../cli/stack/service.ts';
import type { DataFolder } from '../embedded/data-folder.ts';
import { findTemporalBinary, startTemporal } from '../embedded/index.ts';

export interface TemporalSurroundings {
  readonly folder: DataFolder;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
  readonly databaseUrl: () => string;
}

/** A Temporal server in a process of its own. */
export interface TemporalService extends Service {
  /** As in `127.0.0.1:7233`. */
  readonly address: string;
}

/** Makes what the server needs, once; what it returns starts the server, as often as it is called. */
export type TemporalKind = (surroundings: TemporalSurroundings) => Promise<() => Promise<TemporalService>>;

export const SEARCH_ATTRIBUTES = { OrganizationId: 'Keyword', ScanId: 'Keyword' } as const;

/** The development server on a file, as `outhaul up` runs it. */
export const developmentServer: TemporalKind = async ({ folder, env, say, signal }) => {
  const { path: binary } = await findTemporalBinary({ cacheDir: cacheDir(env), env, log: say, signal });
  return () =>
    startTemporal({
      dataDir: folder.temporalDir,
      binary,
      uiPort: false,
      searchAttributes: SEARCH_ATTRIBUTES,
      log: () => undefined,
      signal,
    });
};
