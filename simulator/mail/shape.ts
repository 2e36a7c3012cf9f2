/** The members of a Graph message that a list or a single get gives without `$select`, in Graph's order. */
export const DEFAULT_MEMBERS = [
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

/** Members that Graph gives only where `$select` names them. */
export const SELECTED_ONLY_MEMBERS = ['uniqueBody', 'internetMessageHeaders'] as const;

/** Members of the derived types (`eventMessage`, `calendarSharingMessage`): selectable, absent on ordinary messages. */
export const DERIVED_MEMBERS = [
  'meetingMessageType',
  'meetingRequestType',
  'type',
  'isOutOfDate',
  'isAllDay',
  'isDelegated',
  'startDateTime',
  'endDateTime',
  'location',
  'recurrence',
  'responseRequested',
  'allowNewTimeProposals',
  'canAccept',
  'suggestedCalendarName',
] as const;

export type MessageMember = (typeof DEFAULT_MEMBERS)[number] | (typeof SELECTED_ONLY_MEMBERS)[number];

/** What of a message an answer shows, and how. One object for each combination that was asked for. */
export interface Shape {
  /** Whether a member is shown; `id` and the etag always are. */
  shows: Readonly<Record<MessageMember, boolean>>;
  /** The members that `$select` named; undefined where everything is shown, members of no known name included. */
  selected: ReadonlySet<string> | undefined;
  /** Ids in their immutable form (`Prefer: IdType="ImmutableId"`). */
  immutableIds: boolean;
  /** Bodies as text (`Prefer: outlook.body-content-type="text"`). */
  textBodies: boolean;
  /** Delta pages name the type of every item. */
  typed: boolean;
  /** Distinguishes shapes in the page cache. */
  key: string;
}

export interface ShapeOptions {
  select?: readonly string[] | undefined;
  immutableIds?: boolean;
  textBodies?: boolean;
  typed?: boolean;
}

/** Makes the shape for the options of a request. */
export function shapeOf(options: ShapeOptions = {}): Shape {
  const { select, immutableIds = false, textBodies = false, typed = false } = options;
  const selected = select && new Set(select);
  const shown = [
    ...DEFAULT_MEMBERS.map((member) => [member, selected?.has(member) ?? true]),
    ...SELECTED_ONLY_MEMBERS.map((member) => [member, selected?.has(member) ?? false]),
  ];
  const flags = Number(immutableIds) + 2 * Number(textBodies) + 4 * Number(typed);
  return {
    shows: Object.fromEntries(shown) as Record<MessageMember, boolean>,
    selected,
    immutableIds,
    textBodies,
    typed,
    key: `${flags}:${selected ? [...selected].sort().join() : '*'}`,
  };
}
