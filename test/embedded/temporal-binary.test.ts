import { readFile, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findTemporalBinary, TEMPORAL_VERSION, TemporalBinaryNotFound } from '../../embedded/index.ts';
import { eventually, isGone, script, temporaryFolder } from './support.ts';

/** An environment in which the download fails at once (nobody listens on port 1), with a PATH of our own. */
const environment = (path: string, more: Record<string, string> = {}): NodeJS.ProcessEnv => ({
  PATH: path,
  HOME: path,
  HTTPS_PROXY: 'http://127.0.0.1:1',
  ...more,
});

const cli = (version: string): string => `echo "temporal version ${version} (Server 1.31.2, UI 2.50.1)"`;

/** A stand-in for the Go toolchain: what it "builds" is a script. \`$out\` is the file that it is told to make. */
const go = (version: string, build: string): string => `
case $1 in
version) echo "go version ${version} linux/amd64" ;;
build)
  while [ "$1" != -o ]; do shift; done
  out=$2
  ${build}
  ;;
esac`;

const BUILDS_A_CLI = `/bin/cat > "$out" <<'CLI'
#!/bin/sh
${cli(TEMPORAL_VERSION)}
CLI
/bin/chmod 755 "$out"`;

const folders = async () => {
  const folder = await temporaryFolder();
  return { cacheDir: join(folder, 'cache'), path: join(folder, 'bin') };
};

const find = (cacheDir: string, env: NodeJS.ProcessEnv, lines: string[] = [], signal?: AbortSignal) =>
  findTemporalBinary({ cacheDir, env, log: (line) => lines.push(line), signal });

describe('the Temporal CLI', () => {
  it('is the one that TEMPORAL_CLI_PATH names', async () => {
    const { cacheDir, path } = await folders();
    const named = await script(join(path, 'elsewhere'), cli('1.9.3'));
    const found = await find(cacheDir, environment('', { TEMPORAL_CLI_PATH: named }));
    expect(found).toEqual({ path: named, from: 'TEMPORAL_CLI_PATH', version: '1.9.3' });
  });

  it.each([
    ['does not exist', undefined, /does not exist or is not an executable file/],
    ['is no Temporal CLI', 'echo hello', /does not tell a version: hello/],
    ['is too old', cli('1.2.0'), /is version 1\.2\.0, older than 1\.8\.0/],
  ])('is not looked for elsewhere where what TEMPORAL_CLI_PATH names %s', async (_, body, why) => {
    const { cacheDir, path } = await folders();
    await script(join(path, 'temporal'), cli('1.9.3'));
    const named = join(path, 'named');
    if (body !== undefined) await script(named, body);
    const attempt = find(cacheDir, environment(path, { TEMPORAL_CLI_PATH: named }));
    await expect(attempt).rejects.toThrow(TemporalBinaryNotFound);
    await expect(attempt).rejects.toThrow(why);
    await expect(attempt).rejects.toThrow(named);
  });

  it('is taken from the cache before PATH, without a word', async () => {
    const { cacheDir, path } = await folders();
    await script(join(path, 'temporal'), cli('1.9.3'));
    const cached = await script(join(cacheDir, `temporal-${TEMPORAL_VERSION}`, 'temporal'), 'exit 1');
    const lines: string[] = [];
    const found = await find(cacheDir, environment(path), lines);
    expect(found).toEqual({ path: cached, from: 'cache', version: TEMPORAL_VERSION });
    expect(lines).toEqual([]);
  });

  it('is taken from PATH where it is new enough', async () => {
    const { cacheDir, path } = await folders();
    const onPath = await script(join(path, 'temporal'), cli('1.10.0'));
    const found = await find(cacheDir, environment(`/nonexistent:${path}`));
    expect(found).toEqual({ path: onPath, from: 'PATH', version: '1.10.0' });
  });

  it('is built where it cannot be downloaded, and then stays in the cache', async () => {
    const { cacheDir, path } = await folders();
    await script(join(path, 'temporal'), cli('1.7.3'));
    await script(join(path, 'go'), go('go1.26.4', BUILDS_A_CLI));
    const lines: string[] = [];
    const built = await find(cacheDir, environment(path), lines);
    const cached = join(cacheDir, `temporal-${TEMPORAL_VERSION}`, 'temporal');
    expect(built).toEqual({ path: cached, from: 'build', version: TEMPORAL_VERSION });
    expect(lines).toEqual([
      expect.stringContaining('Downloading'),
      expect.stringContaining('cannot be downloaded'),
      expect.stringMatching(/^Building .* with Go 1\.26\.4: takes some minutes/),
    ]);
    expect(await find(cacheDir, environment(''))).toEqual({ ...built, from: 'cache' });
    expect(await readdir(cacheDir)).toEqual([`temporal-${TEMPORAL_VERSION}`]);
  });

  it('is built from the modules that are pinned beside the code, with nothing written there', async () => {
    const { cacheDir, path } = await folders();
    const told = join(path, 'told');
    const remember = `echo "$PWD $CGO_ENABLED $GOWORK $@" > '${told}'`;
    await script(join(path, 'go'), go('go1.26.4', BUILDS_A_CLI).replace('build)', `build) ${remember}`));
    await find(cacheDir, environment(path));
    const folder = join(import.meta.dirname, '..', '..', 'embedded', 'temporal');
    expect(await readFile(told, 'utf8')).toMatch(new RegExp(`^${folder} 0 off build -mod=readonly .*/cmd/temporal\n$`));
    expect((await readdir(folder)).sort()).toEqual(['go.mod', 'go.sum']);
    expect(await readFile(join(folder, 'go.mod'), 'utf8')).toContain(`github.com/temporalio/cli v${TEMPORAL_VERSION} `);
  });

  it('is built once where two processes want it', async () => {
    const { cacheDir, path } = await folders();
    const count = join(path, 'count');
    await script(join(path, 'go'), go('go1.26.4', `echo built >> '${count}'; /bin/sleep 0.3; ${BUILDS_A_CLI}`));
    const found = await Promise.all([find(cacheDir, environment(path)), find(cacheDir, environment(path))]);
    expect(found.map(({ from }) => from).sort()).toEqual(['build', 'cache']);
    expect(await readFile(count, 'utf8')).toBe('built\n');
  });

  it('is not found where no way is open, and the error names each way with its reason and its remedy', async () => {
    const { cacheDir } = await folders();
    const error = await find(cacheDir, environment('')).catch((thrown: unknown) => thrown as TemporalBinaryNotFound);
    expect(error).toBeInstanceOf(TemporalBinaryNotFound);
    const { ways, message } = error as TemporalBinaryNotFound;
    const reasons: [string, RegExp][] = [
      ['TEMPORAL_CLI_PATH', /is not set/],
      ['The cache', /does not exist/],
      ['`temporal` on PATH', /there is none/],
      ['Download from temporal.download', /^client error \(Connect\)/],
      ['Build with the Go toolchain', /there is no `go` on PATH/],
    ];
    expect(ways.map(({ way }) => way)).toEqual(reasons.map(([way]) => way));
    for (const [index, [, why]] of reasons.entries()) expect(ways[index]?.why).toMatch(why);
    for (const { way, why, remedy } of ways) expect(message).toContain(`- ${way}: ${why}\n  ${remedy}\n`);
    expect(message).toContain('set TEMPORAL_ADDRESS');
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it.each([
    ['is too old', go('go1.19.8', ''), /Go 1\.19\.8, too old/],
    ['cannot build', go('go1.26.4', 'echo "dial tcp: lookup modules.example: no such host"; exit 1'), /no such host/],
    [
      'builds what does not run',
      go('go1.26.4', 'echo nonsense > "$out"; /bin/chmod 755 "$out"'),
      /does not tell a version/,
    ],
  ])('is not built where Go %s', async (_, toolchain, why) => {
    const { cacheDir, path } = await folders();
    await script(join(path, 'go'), toolchain);
    const attempt = find(cacheDir, environment(path));
    await expect(attempt).rejects.toThrow(TemporalBinaryNotFound);
    await expect(attempt).rejects.toThrow(why);
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it('leaves neither process nor file of a build that is aborted', async () => {
    const { cacheDir, path } = await folders();
    const compiler = join(path, 'compiler.pid');
    const slow = `echo half > "$out"; /bin/sleep 600 & echo $! > '${compiler}.new'; /bin/mv '${compiler}.new' '${compiler}'; wait`;
    await script(join(path, 'go'), go('go1.26.4', slow));
    const abort = new AbortController();
    const reason = new Error('Ctrl-C');
    const attempt = expect(find(cacheDir, environment(path), [], abort.signal)).rejects.toBe(reason);
    await eventually('the build runs', async () => (await stat(compiler).catch(() => undefined)) !== undefined);
    const pid = Number(await readFile(compiler, 'utf8'));
    expect(isGone(pid)).toBe(false);
    abort.abort(reason);
    await attempt;
    await eventually('the compiler is gone', () => isGone(pid));
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it('says so where the cache cannot be written', async () => {
    const { path } = await folders();
    const cacheDir = join(await script(join(path, 'file'), ''), 'cache');
    await expect(find(cacheDir, environment(path))).rejects.toThrow(`The cache folder ${cacheDir} cannot be written`);
    expect(dirname(cacheDir)).toBe(join(path, 'file'));
  });
});
