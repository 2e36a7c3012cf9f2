import { expect, it } from 'vitest';
import { MESSAGE_MEMBERS } from '../../model/mail.ts';

/**
 * A saved delta link goes on asking Graph for the members that it was made with. Whoever asks for one more adds a migration
 * step that forgets the saved links, as docs/upgrades.md says, and then the member here.
 */
it('the members of a message are those that saved delta links ask for', () => {
  expect([...MESSAGE_MEMBERS].sort()).toEqual([
    'bccRecipients',
    'body',
    'bodyPreview',
    'categories',
    'ccRecipients',
    'changeKey',
    'conversationId',
    'conversationIndex',
    'createdDateTime',
    'flag',
    'from',
    'hasAttachments',
    'id',
    'importance',
    'inferenceClassification',
    'internetMessageId',
    'isDeliveryReceiptRequested',
    'isDraft',
    'isRead',
    'isReadReceiptRequested',
    'lastModifiedDateTime',
    'parentFolderId',
    'receivedDateTime',
    'replyTo',
    'sender',
    'sentDateTime',
    'subject',
    'toRecipients',
    'webLink',
  ]);
});
