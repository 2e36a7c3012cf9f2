/** A filter says something that cannot be meant. */
export class InvalidFilter extends Error {
  override readonly name = 'InvalidFilter';
}

/**
 * The items of a filter as the environment gives it: separated by commas or semicolons, each in quotes or not, with or
 * without a comment behind (`.pdf,.docx   # File types`), which shells and Docker do not all take away.
 */
export const filterItems = (text: string): string[] =>
  unquoted(text.replace(/(^|\s)#.*$/s, ''))
    .split(/[,;]/)
    .map((item) => unquoted(item))
    .filter((item) => item !== '');

const unquoted = (text: string): string => {
  const trimmed = text.trim();
  const [, , inner] = /^(["'])([^"']*)\1$/.exec(trimmed) ?? [];
  return inner?.trim() ?? trimmed;
};
