import { mergeConfig } from 'vitest/config';
import config from './vitest.config.ts';

/** `npm run record`: writes test/replay/histories anew. */
export default mergeConfig({ ...config, test: { ...config.test, include: ['test/replay/record-*.ts'] } }, {});
