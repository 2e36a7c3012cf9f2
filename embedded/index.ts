export { EmbeddedServiceError, PortTakenError, PostgresStartError, TemporalStartError } from './errors.ts';
export type { Exit } from './guarded-process.ts';
export { freePort } from './ports.ts';
export { startPostgres, type EmbeddedPostgres, type PostgresOptions } from './postgres.ts';
export { startTemporal, type EmbeddedTemporal, type TemporalOptions } from './temporal-server.ts';
export {
  findTemporalBinary,
  TemporalBinaryNotFound,
  type FindOptions,
  type TemporalBinary,
} from './temporal-binary.ts';
export {
  DataFolderError,
  openDataFolder,
  type DataFolder,
  type DataFolderProblem,
  type DataFolderVersion,
} from './data-folder.ts';
export type { SearchAttributeType } from './temporal-namespace.ts';
export type { FailedWay } from './temporal-source.ts';
export { TEMPORAL_VERSION } from './temporal-version.ts';
