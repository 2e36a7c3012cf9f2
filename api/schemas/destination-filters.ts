import { z } from 'zod';
import { DIRECTIONS } from '../../model/destination-filters.ts';
import { parseEmailGroups } from '../../model/email-groups.ts';
import { parseFileTypes } from '../../model/file-types.ts';
import { InvalidFilter } from '../../model/filter-list.ts';
import { text } from './common.ts';

const MOST = 1_000;

const listOf = (entry: z.ZodType<string>) =>
  z.array(entry).min(1, 'must name at least one: leave it out for all').max(MOST, `must have at most ${MOST} entries`);

/** One entry of a filter that the environment has as well, where it is a list with commas. */
const parsedText = (parse: (text: string) => readonly string[], rule: string) =>
  text(320).superRefine((entry, context) => {
    const problem = problemWith(entry, parse, rule);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

function problemWith(entry: string, parse: (text: string) => readonly string[], rule: string): string | undefined {
  try {
    return parse(entry).length === 1 ? undefined : rule;
  } catch (error) {
    if (error instanceof InvalidFilter) return rule;
    throw error;
  }
}

const Addresses = listOf(
  parsedText(parseEmailGroups, 'must be an address (ada@company.com) or a domain (company.com)'),
).meta({ example: ['company.com', 'ada@fabrikam.example'] });

/** What a destination wants. Everything that is given has to fit; of the entries of a list, one. */
export const DestinationFilters = z
  .strictObject({
    sender: Addresses.optional().meta({ description: 'Addresses or domains that it is from' }),
    recipient: Addresses.optional().meta({ description: 'Addresses or domains that it is to, in copy or not' }),
    mailbox: listOf(text(320)).optional().meta({ description: 'Addresses, domains or directory ids of mailboxes' }),
    folder: listOf(text(255)).optional().meta({ description: 'Names of folders, as scans take them' }),
    direction: z.enum(DIRECTIONS, 'must be received or sent').optional(),
    subject: listOf(text(255)).optional().meta({ description: 'Texts of which the subject holds one' }),
    hasAttachments: z.boolean().optional().meta({ description: 'As Graph says: an image in the body is none' }),
    attachmentType: listOf(
      parsedText(parseFileTypes, 'must be an extension (.pdf) or a MIME type (application/pdf, image/*)'),
    )
      .optional()
      .meta({ description: 'Extensions or MIME types of which an attachment is one', example: ['.pdf', 'image/*'] }),
    maxAttachmentBytes: z
      .int('must be a whole number of bytes')
      .min(1, 'must be at least 1')
      .optional()
      .meta({ description: 'Larger attachments are left out' }),
  })
  .meta({ id: 'DestinationFilters' });
