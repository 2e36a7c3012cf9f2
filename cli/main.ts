/** The process `outhaul`: see `exit-codes.ts` for how it ends. */
import { cliOfProcess } from './cli.ts';
import { run } from './program.ts';

/** How long what still lingers after a command's end (a socket kept alive) may hold the process. */
const LINGER_MS = 2000;

const exitCode = await run(process.argv.slice(2), cliOfProcess());
process.exitCode = exitCode;
setTimeout(() => process.exit(exitCode), LINGER_MS).unref();
