/**
 * What the exit code of `outhaul` says.
 *
 * | code | meaning |
 * | --- | --- |
 * | 0 | done; for `scan`: the scan completed |
 * | 1 | it failed: the scan, the comparison, a request that was refused, PostgreSQL or Temporal away at start |
 * | 2 | the command line or the configuration is at fault |
 * | 3 | the API cannot be reached |
 * | 4 | this machine is in the way: a data folder, a port, a program that is missing |
 * | 5 | the scan completed with errors |
 * | 6 | the scan was cancelled |
 * | 130 | interrupted by Ctrl-C before it was done (143: by SIGTERM, 129: by SIGHUP) |
 */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  unreachable: 3,
  machine: 4,
  completedWithErrors: 5,
  cancelled: 6,
} as const;
