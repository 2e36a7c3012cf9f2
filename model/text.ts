// eslint-disable-next-line no-control-regex -- the NUL character is what it looks for
const UNSTORABLE = /\u0000|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/**
 * A string as PostgreSQL can store it: NUL characters and lone surrogates, which JSON may carry and a `text` column may
 * not, become U+FFFD.
 */
export const storableText = (text: string): string => text.replace(UNSTORABLE, '\ufffd');
