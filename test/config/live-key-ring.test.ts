import { chmod, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../config/config.ts';
import { KeyRingError } from '../../config/key-ring.ts';
import { LiveKeyRing, openConfiguredKeyRing } from '../../config/live-key-ring.ts';
import { SealError, sealedUnder } from '../../model/sealing.ts';

const keyOf = (id: string, fill: number): string => `${id}:${Buffer.alloc(32, fill).toString('base64')}`;
const [first, second, third] = [keyOf('first', 1), keyOf('second', 2), keyOf('third', 3)];
const plain = Buffer.from('a secret of the tenant');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-keys-'));
});
afterAll(() => rm(folder, { recursive: true }));

let counter = 0;
async function keyFile(...lines: string[]): Promise<string> {
  const file = join(folder, `keys-${++counter}`);
  await writeFile(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  return file;
}

function follow(file: string, keys?: string) {
  const faults: Error[] = [];
  return { ring: new LiveKeyRing({ keys, file }, (fault) => faults.push(fault)), faults };
}

describe('a key ring with a file', () => {
  it('seals with a key as soon as it stands in front of the file, and opens what older ones have sealed', async () => {
    const file = await keyFile(first);
    const { ring } = follow(file);
    const old = ring.seal(plain, 'c');
    await writeFile(file, `${second}\n${first}\n`);
    const fresh = ring.seal(plain, 'c');
    expect([sealedUnder(old), sealedUnder(fresh)]).toEqual(['first', 'second']);
    expect([ring.open(old, 'c'), ring.open(fresh, 'c')]).toEqual([plain, plain]);
  });

  it('opens what another process has sealed with a key that came later', async () => {
    const file = await keyFile(first);
    const [one, other] = [follow(file).ring, follow(file).ring];
    const added = one.addKey();
    const sealed = one.seal(plain, 'c');
    expect(sealedUnder(sealed)).toBe(added);
    expect(other.open(sealed, 'c')).toEqual(plain);
    expect(other.ring.keyIds).toEqual([added, 'first']);
  });

  it('names the key that was dropped too early, and opens with it again when it is put back', async () => {
    const file = await keyFile(second, first);
    const { ring } = follow(file);
    const sealed = follow(await keyFile(first)).ring.seal(plain, 'c');
    await writeFile(file, second);
    expect(() => ring.open(sealed, 'c')).toThrow(SealError);
    expect(() => ring.open(sealed, 'c')).toThrow(/under the key "first".*Put it back behind the newest/);
    await writeFile(file, `${second}\n${first}`);
    expect(ring.open(sealed, 'c')).toEqual(plain);
  });

  it('goes on with the keys that it has when the file is gone or damaged, says so once, and follows it again', async () => {
    const file = await keyFile(first);
    const { ring, faults } = follow(file);
    await rename(file, `${file}-away`);
    expect(sealedUnder(ring.seal(plain, 'c'))).toBe('first');
    expect(sealedUnder(ring.seal(plain, 'c'))).toBe('first');
    expect(faults.map(({ message }) => message)).toEqual([expect.stringMatching(/cannot be read any more: ENOENT/)]);
    await writeFile(file, 'second:short');
    expect(sealedUnder(ring.seal(plain, 'c'))).toBe('first');
    expect(sealedUnder(ring.seal(plain, 'c'))).toBe('first');
    expect(faults).toHaveLength(2);
    expect(faults[1]?.message).toContain(`Key "second" of the key file ${file}`);
    await writeFile(file, second);
    expect(sealedUnder(ring.seal(plain, 'c'))).toBe('second');
    expect(faults).toHaveLength(2);
  });

  it('has the keys of the environment first, which no file can outdo', async () => {
    const file = await keyFile(second, first);
    const { ring } = follow(file, `${third},${first}`);
    expect(ring.ring.keyIds).toEqual(['third', 'first', 'second']);
    expect(ring.isFile).toBe(false);
    expect(() => ring.addKey()).toThrow(/OUTHAUL_KEYS, which only you can change/);
  });

  it('is refused at the start where its file is not there or cannot be used', async () => {
    expect(() => follow(join(folder, 'nowhere'))).toThrow(KeyRingError);
    expect(() => follow(join(folder, 'nowhere'))).toThrow(/nowhere cannot be read: ENOENT/);
    const empty = await keyFile('');
    expect(() => follow(empty)).toThrow(/is empty/);
  });
});

describe('adding a key', () => {
  it('keeps every other key, the mode of the file, and leaves nothing beside it', async () => {
    const file = await keyFile(second, first);
    await chmod(file, 0o640);
    const { ring } = follow(file);
    const id = ring.addKey();
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    expect(lines).toEqual([expect.stringMatching(new RegExp(`^${id}:`)), second, first]);
    expect((await stat(file)).mode & 0o777).toBe(0o640);
    expect((await readdir(folder)).filter((name) => name.startsWith(`keys-${counter}`))).toEqual([`keys-${counter}`]);
  });

  it('changes nothing in a file that is damaged', async () => {
    const file = await keyFile(first);
    const { ring } = follow(file);
    await writeFile(file, `${first}\nhalf a`);
    expect(() => ring.addKey()).toThrow(KeyRingError);
    expect(await readFile(file, 'utf8')).toBe(`${first}\nhalf a`);
  });
});

describe('the key ring of a process', () => {
  it('is asked for where none is configured', () => {
    const log = { error: () => undefined };
    const none = { keys: undefined, keysFile: undefined };
    expect(() => openConfiguredKeyRing(none, log)).toThrow(ConfigError);
    expect(() => openConfiguredKeyRing(none, log)).toThrow(/set OUTHAUL_KEYS, or OUTHAUL_KEYS_FILE/);
  });
});
