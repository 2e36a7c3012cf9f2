/**
 * What a worker process should be started with (`NODE_OPTIONS`). On a large machine V8 lets garbage pile up into
 * gigabytes before it collects; a worker holds little that lives, so that a small heap costs no time and keeps its
 * memory flat. Pages are bounded by the worker's byte budget, which this leaves room for.
 */
export const WORKER_NODE_OPTIONS = '--max-old-space-size=192';
