import { VARIABLES, type Variable } from '../../config/variables.ts';

const START = '<!-- configuration -->';
const END = '<!-- /configuration -->';

/** The README's table of environment variables, as the code has them. */
export function configurationTable(): string {
  const rows = Object.entries<Variable>(VARIABLES).map(([name, variable]) => {
    const fallback = variable.default ? `\`${variable.default}\`` : '';
    return `| \`${name}\` | ${fallback} | ${variable.meaning || 'as above'} |`;
  });
  return ['| variable | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

/** The table that a text holds between its two marks. */
export function tableIn(text: string): string {
  const [from, to] = marks(text);
  return text.slice(from, to).trim();
}

/** The text with this table between its two marks. */
export function withTable(text: string, table: string): string {
  const [from, to] = marks(text);
  return `${text.slice(0, from)}\n\n${table}\n\n${text.slice(to)}`;
}

function marks(text: string): [from: number, to: number] {
  const from = text.indexOf(START) + START.length;
  const to = text.indexOf(END);
  if (from < START.length || to < from) throw new Error(`the text lacks ${START} or ${END}`);
  return [from, to];
}
