import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** A folder of mail found in the wild, where tests look for it. */
export const REAL_MAIL = join(import.meta.dirname, '../../../shared/data/real-mail');

export const hasRealMail = existsSync(REAL_MAIL);
if (!hasRealMail) process.stderr.write(`The tests with real mail are skipped: there is no ${REAL_MAIL}\n`);
