import { mergeConfig } from 'vitest/config';
import config from './vitest.config.ts';

/** `npm run huge`: the sizes that are promised, one after the other. */
export default mergeConfig(
  { ...config, test: { ...config.test, include: ['test/huge/*.huge.ts'] } },
  { test: { fileParallelism: false, reporters: 'verbose' } },
);
