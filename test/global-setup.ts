import './provided.ts';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { isBuilt } from '../build.js';
import { startPostgres, startTemporal } from '../embedded/index.ts';
import { bundleWorkflows } from '../workers/bundle.ts';

const NAMESPACE = 'default';

/** One PostgreSQL, one Temporal server and one bundle of the workflows for the whole run, in a folder that goes with it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'outhaul-test-'));
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const stops: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  const teardown = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) await stop();
  };
  try {
    const postgres = await startPostgres({
      dataDir: join(folder, 'postgres'),
      log,
      settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200' },
    });
    stops.push(postgres.stop);
    const temporal = await startTemporal({
      dataDir: join(folder, 'temporal'),
      uiPort: false,
      namespace: NAMESPACE,
      searchAttributes: { OrganizationId: 'Keyword', ScanId: 'Keyword' },
      log,
    });
    stops.push(temporal.stop);
    project.provide('workflowBundlePath', await workflowBundle(folder));
    project.provide('blobsFolder', join(folder, 'blobs'));
    project.provide('postgresUrl', postgres.url);
    project.provide('temporalAddress', temporal.address);
    project.provide('temporalNamespace', NAMESPACE);
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}

/** The built one, or one made here where sources have changed since the build. */
async function workflowBundle(folder: string): Promise<string> {
  if (await isBuilt()) return fileURLToPath(new URL('../dist/workflow-bundle.js', import.meta.url));
  const file = join(folder, 'workflow-bundle.js');
  await writeFile(file, (await bundleWorkflows()).code);
  return file;
}
