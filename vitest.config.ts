import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    pool: 'forks',
    // Most tests wait for servers more than they compute: one file for each core, where the default leaves one core free.
    maxWorkers: Math.max(2, availableParallelism()),
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 90_000,
    // On a machine that others load, too, a deadline may pass by chance. The report names what needed its second attempt.
    retry: process.env['CI'] ? 1 : 0,
    hookTimeout: 120_000,
    // Where a test fails while it waits for a workflow, the SDK repeats the call after the connection was closed.
    onUnhandledError: ({ message }) => message !== 'Channel has been shut down',
  },
});
