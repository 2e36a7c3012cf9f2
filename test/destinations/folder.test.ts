import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFolder, unavailability } from '../../destinations/folder.ts';
import type { Item } from '../../destinations/sender.ts';
import {
  attachment,
  calm,
  item,
  largeAttachment,
  lostAttachment,
  message,
  outcomesOf,
  stream,
} from './support/items.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'outhaul-folder-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const file = (no: number, name: string | null, content = `content ${no}`): Item =>
  item(no, { attachments: [attachment(content, { name })] });

async function send(...items: Item[]): ReturnType<typeof outcomesOf> {
  return outcomesOf(openFolder({ directory: join(root, 'attachments') }).send(stream(...items), calm()));
}

/** Paths below the directory, with `/`, without what is unfinished. */
async function files(): Promise<string[]> {
  const entries = await readdir(join(root, 'attachments'), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith('.unfinished'))
    .map((entry) => join(entry.parentPath, entry.name).slice(join(root, 'attachments').length + 1))
    .map((path) => path.split(sep).join('/'))
    .sort();
}

describe('a folder', () => {
  it('gets each attachment as a file, by mailbox and day', async () => {
    const { outcomes, thrown } = await send(file(1, 'INVOICE.pdf'));
    expect(thrown).toBeUndefined();
    expect(outcomes).toEqual([{ deliveryNo: 1, status: 'accepted' }]);
    const [path = ''] = await files();
    expect(path).toMatch(/^it\.ops@example\.org\/2025-12-23\/INVOICE-[0-9a-f]{12}\.pdf$/);
    expect(await readFile(join(root, 'attachments', path), 'utf8')).toBe('content 1');
  });

  it('has one file for one delivery, however often it comes, and as many as there are deliveries of one name', async () => {
    await send(file(1, 'a.pdf'), file(2, 'a.pdf'), file(3, 'A.PDF'));
    await send(file(1, 'a.pdf'), file(2, 'a.pdf'));
    await Promise.all([send(file(3, 'A.PDF')), send(file(3, 'A.PDF'))]);
    expect(await files()).toHaveLength(3);
    expect(await readdir(join(root, 'attachments', '.unfinished'))).toEqual([]);
  });

  it('stays within itself, whatever names say', async () => {
    const names = [
      '../../../etc/passwd',
      '/etc/passwd',
      '..\\..\\boot.ini',
      '..',
      '.',
      '',
      'a\u0000b.txt',
      'CON',
      'x'.repeat(10_000),
      null,
    ];
    const strange = message({ received_date_time: null, sent_date_time: null }, { mailbox: '../../root' });
    const items = names.map((name, no) => ({ ...file(no, name), message: strange }));
    const { outcomes, thrown } = await send(...items);
    expect(thrown).toBeUndefined();
    expect(outcomes.map(({ status }) => status)).toEqual(names.map(() => 'accepted'));
    const paths = await files();
    expect(paths).toHaveLength(names.length);
    for (const path of paths) expect(path).toMatch(/^_.._root\/undated\/[^/]+$/);
    expect(await readdir(root)).toEqual(['attachments']);
  });

  it('takes what is large, chunk by chunk', async () => {
    await send(item(1, { attachments: [largeAttachment(5_000_000)] }));
    const [path = ''] = await files();
    expect(await readFile(join(root, 'attachments', path))).toHaveLength(5_000_000);
  });

  it('never has a part of a file under its name', async () => {
    const cut = { ...attachment('only a part', { name: 'part.txt' }), bytes: 1000 };
    const { outcomes } = await send(
      item(1, { attachments: [cut] }),
      item(2, { attachments: [lostAttachment()] }),
      file(3, 'whole.txt'),
    );
    expect(outcomes).toHaveLength(3);
    expect(outcomes.filter(({ status }) => status === 'refused')).toEqual([
      expect.objectContaining({ cause: 'content', retry: true }),
      expect.objectContaining({ cause: 'content', retry: true }),
    ]);
    expect(await files()).toEqual([expect.stringContaining('whole-')]);
    expect(await readdir(join(root, 'attachments', '.unfinished'))).toEqual([]);
  });

  it('clears away what a killed process left, and nothing that may be under way', async () => {
    const unfinished = join(root, 'attachments', '.unfinished');
    await mkdir(unfinished, { recursive: true });
    await writeFile(join(unfinished, 'old'), '');
    await writeFile(join(unfinished, 'new'), '');
    const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000);
    await utimes(join(unfinished, 'old'), twoDaysAgo, twoDaysAgo);
    await send(file(1, 'a.txt'));
    expect(await readdir(unfinished)).toEqual(['new']);
  });

  it('says when it cannot be written to, and that nothing was attempted', async () => {
    await writeFile(join(root, 'attachments'), 'a file where the folder should be');
    expect(await send(file(1, 'a.txt'))).toMatchObject({
      outcomes: [],
      thrown: { name: 'DestinationUnavailable', reason: 'misconfigured' },
    });
    expect(await openFolder({ directory: join(root, 'attachments') }).health(calm())).toMatchObject({ healthy: false });
    expect(await openFolder({ directory: join(root, 'other') }).health(calm())).toMatchObject({ healthy: true });
  });

  it.each([
    ['ENOSPC', 'full'],
    ['EDQUOT', 'full'],
    ['EROFS', 'misconfigured'],
    ['EIO', 'away'],
  ])('says of %s that it is %s', (code, reason) => {
    expect(unavailability(Object.assign(new Error('write'), { code })).reason).toBe(reason);
  });
});
