import { setFlagsFromString } from 'node:v8';

/**
 * What a worker process is started with besides its configuration: glibc reads it before any of our code runs. With an
 * arena for each of the many threads, what one of them has freed is of no use to the others.
 */
export const WORKER_ENVIRONMENT: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '2' };

/**
 * Lets the heap grow to 1.6 times what lived after the last full collection, and no further before the next. On a large
 * machine V8 would let garbage pile up into gigabytes, for a worker holds little that lives; in a heap that is capped
 * (`--max-old-space-size`) it collects twice as often. Pages are bounded by the worker's byte budget.
 */
export const keepHeapSmall = (): void => setFlagsFromString('--heap-growing-percent=60');
