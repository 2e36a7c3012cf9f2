/**
 * Microsoft Graph's mail shapes, as far as Outhaul relies on them. Nearly every member is nullable in Graph's service
 * description and any may be absent, so readers must expect `undefined`, `null` and unknown members everywhere.
 * Source: https://learn.microsoft.com/graph/api/resources/message
 */

/** A JSON value as received. */
export type Json = null | boolean | number | string | Json[] | { [member: string]: Json | undefined };
export type JsonObject = { [member: string]: Json | undefined };

/** A message as Graph sent it: only the id is certain. */
export interface GraphMessage extends JsonObject {
  id: string;
}

/** An entry of a delta page that says a message left the folder, by deletion or by a move. */
export interface RemovedMessage {
  id: string;
  reason: string;
}

/** A user of the tenant, as `GET /users` lists them. */
export interface GraphUser {
  id: string;
  displayName: string | null;
  mail: string | null;
  userPrincipalName: string | null;
  /** `Member` or `Guest`. */
  userType: string | null;
  /** False for shared, room and equipment mailboxes too: it says nothing about the mailbox. */
  accountEnabled: boolean | null;
}

/** A mail folder. Counts are hints: they include items that are not messages. */
export interface MailFolder {
  id: string;
  displayName: string;
  parentFolderId: string | null;
  childFolderCount: number;
  totalItemCount: number;
  isHidden: boolean;
  /** True for a search folder, whose messages live elsewhere. */
  isVirtual: boolean;
}

/** The members of a message that Outhaul asks for. The body makes up most of the bytes. */
export const MESSAGE_MEMBERS = [
  'id',
  'createdDateTime',
  'lastModifiedDateTime',
  'changeKey',
  'categories',
  'receivedDateTime',
  'sentDateTime',
  'hasAttachments',
  'internetMessageId',
  'subject',
  'bodyPreview',
  'importance',
  'parentFolderId',
  'conversationId',
  'conversationIndex',
  'isDeliveryReceiptRequested',
  'isReadReceiptRequested',
  'isRead',
  'isDraft',
  'webLink',
  'inferenceClassification',
  'body',
  'sender',
  'from',
  'toRecipients',
  'ccRecipients',
  'bccRecipients',
  'replyTo',
  'flag',
] as const;
