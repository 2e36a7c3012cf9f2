import { MESSAGE_MEMBERS } from './mail.ts';

/**
 * What is kept of a message, each more than the one before: all but the body; the body as well; its attachments as well;
 * its original bytes as well.
 */
export const CONTENTS = ['headers', 'full', 'attachments', 'mime'] as const;
export type Content = (typeof CONTENTS)[number];

/** What is kept where nobody says otherwise. */
export const DEFAULT_CONTENT: Content = 'full';

/** What filters ask for. */
export const contentOf = ({ content }: { readonly content?: Content | undefined }): Content =>
  content ?? DEFAULT_CONTENT;

export const keepsBodies = (content: Content): boolean => content !== 'headers';
export const keepsAttachments = (content: Content): boolean => content === 'attachments' || content === 'mime';

/** The one of two that asks for more. */
export const moreOf = (one: Content, other: Content): Content =>
  CONTENTS.indexOf(one) < CONTENTS.indexOf(other) ? other : one;

const ALL_BUT_BODY = MESSAGE_MEMBERS.filter((member) => member !== 'body');

/** The members of a message that Graph is asked for. */
export const membersOf = (content: Content): readonly string[] =>
  keepsBodies(content) ? MESSAGE_MEMBERS : ALL_BUT_BODY;
