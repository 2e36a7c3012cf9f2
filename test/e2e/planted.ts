import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What may leave the process nowhere, planted where the product reads it; each can be told from all else. */
export const PLANTED = {
  subject: 'plantedsubject4b1f',
  body: 'plantedbody9c2e',
  senderName: 'plantedsender7d30',
  senderAddress: 'plantedfrom5a88@far.example',
  recipientAddress: 'plantedto61c4@far.example',
  ownerName: 'plantedowner2e97',
  ownerAddress: 'plantedmailbox8f05@harbour.example',
  folder: 'plantedfolder3b7a',
  internetMessageId: 'plantedmessageidd142',
  graphWords: 'plantedwords0e6b',
  clientSecret: 'plantedsecretA1~c93f77d0b2',
  wrongSecret: 'plantedwrongsecretB2~5e81a4',
} as const;

/** A message that has something planted wherever people's data can be. */
export const plantedMessage = (number: number) => ({
  subject: `${PLANTED.subject} ${number}`,
  body: { contentType: 'html', content: `<p>${PLANTED.body}</p>` },
  bodyPreview: PLANTED.body,
  from: { emailAddress: { name: PLANTED.senderName, address: PLANTED.senderAddress } },
  sender: { emailAddress: { name: PLANTED.senderName, address: PLANTED.senderAddress } },
  toRecipients: [{ emailAddress: { name: PLANTED.ownerName, address: PLANTED.recipientAddress } }],
  internetMessageId: `<${PLANTED.internetMessageId}.${number}@far.example>`,
});

/** How a text may stand in bytes: as it is, or in base64 at any offset. */
function forms(text: string): Buffer[] {
  const local = Buffer.from(text.replace(/@.*/, ''));
  const inBase64 = [0, 1, 2].map((offset) => {
    const whole = Buffer.concat([Buffer.alloc(offset), local]).toString('base64');
    return Buffer.from(whole.slice(Math.ceil((offset * 4) / 3), Math.floor(((offset + local.length) * 4) / 3)));
  });
  return [local, ...inBase64];
}

/** Where any of the texts stands: `what in where`. */
export function findPlanted(
  texts: Readonly<Record<string, string>>,
  places: Readonly<Record<string, Uint8Array | string>>,
): string[] {
  return Object.entries(places).flatMap(([where, content]) => {
    const bytes = Buffer.from(content);
    return Object.entries(texts).flatMap(([what, text]) => {
      const at = forms(text)
        .map((form) => bytes.indexOf(form))
        .find((index) => index >= 0);
      return at === undefined ? [] : [`${what} in ${where}: ${around(bytes, at)}`];
    });
  });
}

const around = (bytes: Buffer, at: number): string => JSON.stringify(bytes.toString('latin1', at - 120, at + 60));

/** The content of every file below a folder that the filter wants, by its path. */
export async function filesBelow(folder: string, wanted: (path: string) => boolean): Promise<Record<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter(wanted);
  return Object.fromEntries(await Promise.all(files.map(async (path) => [path, await readFile(path)] as const)));
}
