import { startSimulator, type SimulatorOptions } from '../simulator/index.ts';

/** A simulator in a process of its own: takes its options as JSON, tells its parent where it is, ends with it. */
const options = JSON.parse(process.argv[2] ?? '{}') as SimulatorOptions;
const { url, tenantId, clientId, clientSecret } = await startSimulator(options);
process.send?.({ url, tenantId, clientId, clientSecret });
process.on('disconnect', () => process.exit(0));
