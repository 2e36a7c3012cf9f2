import { cacheDir, type Config } from '../../config/config.ts';
import type { DataFolder } from '../../embedded/data-folder.ts';
import { findTemporalBinary, startPostgres, startTemporal } from '../../embedded/index.ts';
import { keepRunning } from './keep-running.ts';
import { wishedPort } from './ports.ts';
import { startTogether } from './stops.ts';

/** PostgreSQL and Temporal, whoever runs them. */
export interface Services {
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  readonly temporalUiUrl: string | undefined;
  /** Ends what we run: first Temporal, then PostgreSQL. */
  readonly stop: () => Promise<void>;
  /** Ends what we run without order, at once. */
  readonly killAtOnce: () => void;
}

export interface ServicesOptions {
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
  readonly folder: DataFolder;
  /** Where the Temporal Web UI has payloads decoded. */
  readonly codecEndpoint: string;
  readonly temporalPort?: number | undefined;
  readonly uiPort?: number | undefined;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

const POSTGRES_PORT = 54_320;
const TEMPORAL_PORT = 7233;
const TEMPORAL_UI_PORT = 8233;
const SEARCH_ATTRIBUTES = { OrganizationId: 'Keyword', ScanId: 'Keyword' } as const;

const portOf = (url: string): number => Number(new URL(url).port);

/** One of the two, running here or elsewhere. */
interface Part<Facts> {
  readonly facts: Facts;
  readonly stop: () => Promise<void>;
  readonly killAtOnce: () => void;
}

const elsewhere = <Facts>(facts: Facts): Part<Facts> => ({
  facts,
  stop: () => Promise.resolve(),
  killAtOnce: () => undefined,
});

/** Starts what the environment does not name a server for, both at a time. Throws what `embedded/` throws. */
export async function startServices(options: ServicesOptions): Promise<Services> {
  const [postgres, temporal] = await startTogether(
    [(signal) => postgresPart({ ...options, signal }), (signal) => temporalPart({ ...options, signal })] as const,
    options.signal,
  );
  return {
    databaseUrl: postgres.facts.url,
    temporalAddress: temporal.facts.address,
    temporalUiUrl: temporal.facts.uiUrl,
    async stop() {
      try {
        await temporal.stop();
      } finally {
        await postgres.stop();
      }
    },
    killAtOnce() {
      temporal.killAtOnce();
      postgres.killAtOnce();
    },
  };
}

async function postgresPart({ config, folder, say, signal }: ServicesOptions): Promise<Part<{ url: string }>> {
  if (config.database.url) {
    say(`Using the PostgreSQL server at ${new URL(config.database.url).host}`);
    return elsewhere({ url: config.database.url });
  }
  // Once started, it is started again where its clients look for it.
  let port: number | undefined;
  const kept = await keepRunning({
    name: 'PostgreSQL',
    start: async (abort) => {
      const started = await startPostgres({
        dataDir: folder.postgresDir,
        preferredPort: POSTGRES_PORT,
        ...(port !== undefined && { port }),
        log: say,
        signal: abort,
      });
      port = started.port;
      return started;
    },
    signal,
    say,
  });
  return { facts: kept.current, stop: kept.stop, killAtOnce: () => kept.current.kill('SIGQUIT') };
}

async function temporalPart(options: ServicesOptions): Promise<Part<{ address: string; uiUrl: string | undefined }>> {
  const { config, env, folder, say, signal } = options;
  const { address, namespace, uiUrl } = config.temporal;
  if (address) {
    say(`Using the Temporal server at ${address}`);
    return elsewhere({ address, uiUrl });
  }
  const { path: binary } = await findTemporalBinary({ cacheDir: cacheDir(env), env, log: say, signal });
  // 0: any.
  const { temporalPort: wanted } = options;
  let port = wanted === 0 ? undefined : wanted;
  let uiPort = await wishedPort({
    service: "Temporal's Web UI",
    wanted: options.uiPort,
    preferred: TEMPORAL_UI_PORT,
  });
  const kept = await keepRunning({
    name: 'The Temporal server',
    start: async (abort) => {
      const started = await startTemporal({
        dataDir: folder.temporalDir,
        binary,
        ...(wanted === undefined && { preferredPort: TEMPORAL_PORT }),
        ...(port !== undefined && { port }),
        ...(uiPort !== undefined && { uiPort }),
        namespace,
        searchAttributes: SEARCH_ATTRIBUTES,
        uiCodecEndpoint: options.codecEndpoint,
        log: say,
        signal: abort,
      });
      port = portOf(`http://${started.address}`);
      uiPort = started.uiUrl === undefined ? undefined : portOf(started.uiUrl);
      return started;
    },
    signal,
    say,
  });
  return {
    facts: { address: kept.current.address, uiUrl: kept.current.uiUrl },
    stop: kept.stop,
    killAtOnce: () => kept.current.kill('SIGKILL'),
  };
}
