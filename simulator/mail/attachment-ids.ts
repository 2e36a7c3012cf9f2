import type { AttachmentRecord } from './record.ts';

/** What the ids of messages end with, and those of attachments have something else for. */
const MESSAGE_END = 'AAA=';
const ATTACHMENT_END = /^([^]+)ABEgAQA([A-Z]\d{3}|[a-z0-9]{4})=$/;

/** The id of an attachment: 160 characters that follow from the message's id, in either form of that, and a number. */
export function attachmentId(messageId: string, number: number): string {
  const letter = String.fromCharCode(65 + (number % 26));
  const digits = number < 1000 ? `${letter}${String(number).padStart(3, '0')}` : number.toString(36).padStart(4, '0');
  return `${messageId.slice(0, -MESSAGE_END.length)}ABEgAQA${digits}=`;
}

/** What an id of an attachment says; undefined where it is none. */
export function readAttachmentId(id: string): { messageId: string; number: number } | undefined {
  const [, start, digits] = ATTACHMENT_END.exec(id) ?? [];
  if (start === undefined || digits === undefined) return undefined;
  const number = /^[A-Z]/.test(digits) ? Number(digits.slice(1)) : parseInt(digits, 36);
  return attachmentId(`${start}${MESSAGE_END}`, number) === id
    ? { messageId: `${start}${MESSAGE_END}`, number }
    : undefined;
}

/** The number of an attachment that stands at `index`. */
export function numberOf(attachment: AttachmentRecord, index: number): number {
  return attachment.number ?? index;
}
