#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { nodeTooOld } from './node-version.js';

const main = new URL('../dist/cli/main.js', import.meta.url);
const complaint =
  nodeTooOld(process.versions.node) ?? (existsSync(main) ? undefined : 'Outhaul is not built yet. Run: npm run build');
if (complaint) {
  process.stderr.write(`${complaint}\n`);
  process.exitCode = 1;
} else {
  await import(main.href);
}
