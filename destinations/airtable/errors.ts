/** Airtable refuses, and will again: the message says what to do. It holds nothing of any record. */
export class AirtableRefused extends Error {
  override readonly name = 'AirtableRefused';
}

/**
 * No answer, or one that says to come back. What was to be written may have been written all the same: read again before
 * writing again.
 */
export class AirtableUnavailable extends Error {
  override readonly name = 'AirtableUnavailable';
}

/** What of a request a refusal is explained with. */
export interface RefusalContext {
  readonly baseId: string;
  readonly tableName: string;
  readonly columns: readonly string[];
}

/**
 * What an answer other than success means, in words. Of Airtable's own words only its type counts, and a column that is
 * ours: others may quote what was sent.
 * Source: https://airtable.com/developers/web/api/errors
 */
export function airtableError(status: number, body: unknown, context: RefusalContext): Error {
  const { baseId, tableName, columns } = context;
  const { type, message } = errorIn(body);
  const table = `table "${tableName}" of base ${baseId}`;
  if (status >= 500 || status === 408) return new AirtableUnavailable(`Airtable fails: ${status}`);
  if (type === 'LIST_RECORDS_ITERATOR_NOT_AVAILABLE')
    return new AirtableUnavailable('Airtable has lost its place in the list');
  if (status === 401) {
    return new AirtableRefused(
      'Airtable does not accept the API key: make a personal access token with the scopes data.records:read and data.records:write, and set it',
    );
  }
  if (status === 403) {
    return new AirtableRefused(
      `Airtable says that there is no ${table}, or that the API key may not use it: check both names, and give the token access to the base with the scopes data.records:read and data.records:write`,
    );
  }
  if (status === 404) return new AirtableRefused(`Airtable knows no ${table}: check both names`);
  if (status === 429) return new AirtableRefused("The month's calls of the Airtable workspace are used up");
  const column = columns.find((name) => message.includes(`"${name}"`));
  if (type === 'UNKNOWN_FIELD_NAME') {
    return new AirtableRefused(
      `In Airtable, ${table} has no column "${column ?? columns.join('", "')}": make it, or name another`,
    );
  }
  if (/^(INVALID_VALUE|FIELD)/.test(type) && column !== undefined) {
    return new AirtableRefused(
      `In Airtable, the column "${column}" does not take the value: addresses and domains are texts, the number of mails a number, the date a date`,
    );
  }
  return new AirtableRefused(`Airtable refuses: ${status}${type === '' ? '' : ` ${type}`}`);
}

/** Whether a 429 is the limit by the second, which passes; the other is that of the month. */
export const isPassing = (body: unknown): boolean => !errorIn(body).type.includes('BILLING');

/** `{"error": {"type", "message"}}`, `{"error": "NOT_FOUND"}` or `{"errors": [{"error", "message"}]}`. */
function errorIn(body: unknown): { readonly type: string; readonly message: string } {
  const { error, errors } = Object(body) as { error?: unknown; errors?: unknown };
  const found: unknown = Array.isArray(errors) ? errors[0] : error;
  const { type, error: code, message } = Object(found) as { type?: unknown; error?: unknown; message?: unknown };
  const word = [type, code, found].find((each) => typeof each === 'string') ?? '';
  return { type: /^[A-Z_]{1,60}$/.exec(word)?.[0] ?? '', message: typeof message === 'string' ? message : '' };
}
