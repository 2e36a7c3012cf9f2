import { createRequire } from 'node:module';

/**
 * Temporal's packages need one and the same protobufjs 8, or every JSON history fails to parse with
 * "type must be a Type". npm puts the copy that the root declares where all of them find it; this checks that it did.
 */
const root = createRequire(new URL('../../package.json', import.meta.url));
const expected = root.resolve('protobufjs');
const packages = ['@temporalio/common', '@temporalio/proto', '@temporalio/worker', '@temporalio/client'];
const strays = packages.filter((name) => createRequire(root.resolve(name)).resolve('protobufjs') !== expected);
const { version } = root('protobufjs/package.json');
if (strays.length > 0 || !version.startsWith('8.')) {
  console.error(`protobufjs ${version} is not shared by: ${strays.join(', ') || 'anyone, as it is not version 8'}`);
  process.exit(1);
}
console.log(`protobufjs ${version}, shared by ${packages.length} packages`);
