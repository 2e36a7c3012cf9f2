import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startSimulator } from '../../simulator/index.ts';
import { splitMbox } from '../../simulator/mail/mail-files.ts';
import { TestClient, textOf } from './client.ts';
import { hasRealMail, REAL_MAIL } from './real-mail.ts';

const SIMPLE =
  'From: Ann <ann@tide.example>\r\nTo: Port Office <office@harbour.example>\r\nSubject: =?utf-8?B?w4Ruw5Y=?=\r\nDate: Mon, 5 Jan 2026 10:00:00 +0100\r\nMessage-ID: <1@tide.example>\r\n\r\nFirst line\r\n';
const ARCHIVE = `From ann@tide.example Mon Jan  5 10:00:00 2026\n${SIMPLE.replaceAll('\r', '')}\n>From the quay, with love\n>>From deeper\n\nFrom bob@tide.example Tue Jan  6 10:00:00 2026\nSubject: Second\n\nOne more\n`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-mail-'));
  await mkdir(join(folder, 'below'));
  await writeFile(join(folder, 'a.eml'), SIMPLE);
  await writeFile(join(folder, 'below', 'empty.eml'), '');
  await writeFile(
    join(folder, 'below', 'noise.eml'),
    Buffer.from(Array.from({ length: 3_000 }, (_, at) => (at * 7_919) % 256)),
  );
  await writeFile(join(folder, 'old.mbox'), ARCHIVE);
  await writeFile(join(folder, 'notes.txt'), 'no mail');
});
afterAll(() => rm(folder, { recursive: true }));

test('an archive is split at its From lines, and their quoting is taken back', () => {
  const parts = splitMbox(Buffer.from(ARCHIVE)).map(String);
  expect(parts).toHaveLength(2);
  expect(parts[0]).toMatch(/\nFrom the quay, with love\n>From deeper\n$/);
  expect(parts[1]).toBe('Subject: Second\n\nOne more\n');
  expect(splitMbox(Buffer.from('no archive at all'))).toEqual([]);
});

describe('a folder of mail', () => {
  test('becomes messages, whatever its files hold, spread over mailboxes and folders in turn', async () => {
    const simulator = await startSimulator({ tenant: { mailFolder: folder, mailboxes: 2, specialUsers: false } });
    try {
      expect(simulator.control.truth.summary()).toMatchObject({ mailboxes: 2, messages: 5 });
      const places = [...simulator.control.truth.messages()].map(({ mailbox, folderId }) => `${mailbox}/${folderId}`);
      expect(new Set(places).size).toBe(5);
      const subjects = [...simulator.control.truth.messages()].map(({ message }) => message.subject);
      expect(subjects.filter((subject) => typeof subject === 'string').sort()).toEqual(['Second', 'ÄnÖ', 'ÄnÖ']);
    } finally {
      await simulator.close();
    }
  });

  test('shows Graph members of a message, and its own bytes under $value', async () => {
    const simulator = await startSimulator({ tenant: { mailFolder: folder, mailboxes: 1, specialUsers: false } });
    try {
      const client = new TestClient(simulator);
      const all = [...simulator.control.truth.messages()];
      const one = all.find(({ message }) => message.receivedDateTime === '2026-01-05T09:00:00Z');
      expect(one?.message).toMatchObject({
        subject: 'ÄnÖ',
        from: { emailAddress: { name: 'Ann', address: 'ann@tide.example' } },
        toRecipients: [{ emailAddress: { name: 'Port Office', address: 'office@harbour.example' } }],
        internetMessageId: '<1@tide.example>',
        body: { contentType: 'text' },
        hasAttachments: false,
      });
      const bytes = await Promise.all(
        all.map(
          async ({ mailbox, message }) =>
            (await client.get(`/users/${mailbox}/messages/${encodeURIComponent(textOf(message.id))}/$value`)).text,
        ),
      );
      expect(bytes).toContain(SIMPLE);
    } finally {
      await simulator.close();
    }
  });

  test('that is not there or holds no mail is a clear error', async () => {
    await expect(startSimulator({ tenant: { mailFolder: join(folder, 'nowhere') } })).rejects.toThrow(/cannot be read/);
    const empty = await mkdtemp(join(tmpdir(), 'outhaul-mail-'));
    await expect(startSimulator({ tenant: { mailFolder: empty } })).rejects.toThrow(/holds no \.eml file/);
    await rm(empty, { recursive: true });
  });
});

test.skipIf(!hasRealMail)('all of the real mail is offered, each with the bytes of its file', async () => {
  const names = (await readdir(REAL_MAIL)).filter((name) => name.endsWith('.eml'));
  const simulator = await startSimulator({ tenant: { mailFolder: REAL_MAIL, mailboxes: 4 } });
  try {
    const client = new TestClient(simulator);
    const seen: string[] = [];
    let attachments = 0;
    for (const { id, folders } of simulator.control.truth.mailboxes().filter(({ readable }) => readable)) {
      for (const { id: folderId } of folders.filter(
        ({ inTree, isHidden, isSearchFolder }) => inTree && !isHidden && !isSearchFolder,
      )) {
        const { items } = await client.all(`/users/${id}/mailFolders/${folderId}/messages/delta`);
        for (const item of items) {
          const path = `/users/${id}/messages/${encodeURIComponent(textOf(item.id))}`;
          const { body } = await client.get(`${path}/attachments`);
          attachments += body.value.length;
          const { body: own } = await client.get(path);
          expect(textOf(own.bodyPreview).length).toBeLessThanOrEqual(255);
          seen.push((await client.get(`${path}/$value`)).text);
        }
      }
    }
    const files = await Promise.all(
      names.map(async (name) => new TextDecoder().decode(await readFile(join(REAL_MAIL, name)))),
    );
    expect(seen).toHaveLength(names.length);
    expect(seen.sort()).toEqual(files.sort());
    expect(attachments).toBeGreaterThan(20);
  } finally {
    await simulator.close();
  }
});
