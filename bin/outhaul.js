#!/usr/bin/env node
import { nodeTooOld } from './node-version.js';

const complaint = nodeTooOld(process.versions.node);
if (complaint) {
  process.stderr.write(`${complaint}\n`);
  process.exitCode = 1;
} else {
  await import('../dist/cli/main.js');
}
