import type { Json, JsonObject } from '../mail/bytes.ts';
import { faults } from './fault.ts';

/** A parsed `$filter`. */
export type Filter =
  | { kind: 'and' | 'or'; left: Filter; right: Filter }
  | { kind: 'not'; operand: Filter }
  | { kind: 'compare'; path: string; operator: Comparison; value: string | number | boolean | null }
  | { kind: 'call'; name: 'startswith' | 'endswith' | 'contains'; path: string; text: string };

type Comparison = 'eq' | 'ne' | 'gt' | 'ge' | 'lt' | 'le';

const TOKEN = /\s*(?:(\(|\)|,)|'((?:[^']|'')*)'|([^\s(),']+))/y;

type Token = { kind: 'mark' | 'text' | 'word'; value: string };

/**
 * Parses the part of OData's filter language that mail and directory need: comparisons, `startswith`, `endswith`,
 * `contains`, `and`, `or`, `not` and parentheses.
 *
 * @throws GraphFault 400 where the text is not of that part.
 */
export function parseFilter(text: string): Filter {
  const parser = new FilterParser(tokensOf(text));
  return parser.parse();
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const source = text.trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const match = TOKEN.exec(source);
    if (!match) throw invalid();
    const [, mark, quoted, word] = match;
    if (mark !== undefined) tokens.push({ kind: 'mark', value: mark });
    else if (quoted !== undefined) tokens.push({ kind: 'text', value: quoted.replaceAll("''", "'") });
    else tokens.push({ kind: 'word', value: word ?? '' });
  }
  return tokens;
}

class FilterParser {
  readonly #tokens: Token[];
  #at = 0;

  constructor(tokens: Token[]) {
    this.#tokens = tokens;
  }

  parse(): Filter {
    const filter = this.#either();
    if (this.#at < this.#tokens.length) throw invalid();
    return filter;
  }

  #either(): Filter {
    let left = this.#both();
    while (this.#takeWord('or')) left = { kind: 'or', left, right: this.#both() };
    return left;
  }

  #both(): Filter {
    let left = this.#single();
    while (this.#takeWord('and')) left = { kind: 'and', left, right: this.#single() };
    return left;
  }

  #single(): Filter {
    if (this.#takeWord('not')) return { kind: 'not', operand: this.#single() };
    if (this.#takeMark('(')) {
      const inner = this.#either();
      this.#expectMark(')');
      return inner;
    }
    const path = this.#next('word').value;
    const name = path.toLowerCase();
    if (name === 'startswith' || name === 'endswith' || name === 'contains') return this.#call(name);
    const operator = this.#next('word').value.toLowerCase();
    if (!isComparison(operator)) throw invalid();
    return { kind: 'compare', path, operator, value: this.#literal() };
  }

  #call(name: 'startswith' | 'endswith' | 'contains'): Filter {
    this.#expectMark('(');
    const path = this.#next('word').value;
    this.#expectMark(',');
    const text = this.#next('text').value;
    this.#expectMark(')');
    return { kind: 'call', name, path, text };
  }

  #literal(): string | number | boolean | null {
    const token = this.#tokens[this.#at++];
    if (!token || token.kind === 'mark') throw invalid();
    if (token.kind === 'text') return token.value;
    if (token.value === 'null') return null;
    if (token.value === 'true' || token.value === 'false') return token.value === 'true';
    return /^-?\d+(\.\d+)?$/.test(token.value) ? Number(token.value) : token.value;
  }

  #next(kind: Token['kind']): Token {
    const token = this.#tokens[this.#at++];
    if (token?.kind !== kind) throw invalid();
    return token;
  }

  #takeWord(word: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'word' || token.value.toLowerCase() !== word) return false;
    this.#at++;
    return true;
  }

  #takeMark(mark: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'mark' || token.value !== mark) return false;
    this.#at++;
    return true;
  }

  #expectMark(mark: string): void {
    if (!this.#takeMark(mark)) throw invalid();
  }
}

function isComparison(word: string): word is Comparison {
  return ['eq', 'ne', 'gt', 'ge', 'lt', 'le'].includes(word);
}

/** Whether an object passes a filter. Text is compared without case, times and numbers by value; null passes only eq and ne. */
export function passes(filter: Filter, object: JsonObject): boolean {
  switch (filter.kind) {
    case 'and':
      return passes(filter.left, object) && passes(filter.right, object);
    case 'or':
      return passes(filter.left, object) || passes(filter.right, object);
    case 'not':
      return !passes(filter.operand, object);
    case 'call': {
      const value = memberAt(object, filter.path);
      if (typeof value !== 'string') return false;
      const [text, part] = [value.toLowerCase(), filter.text.toLowerCase()];
      if (filter.name === 'contains') return text.includes(part);
      return filter.name === 'startswith' ? text.startsWith(part) : text.endsWith(part);
    }
    case 'compare':
      return compare(memberAt(object, filter.path), filter.operator, filter.value);
  }
}

/** Every comparison that must hold whatever else does: those joined by `and` at the top. */
export function conjuncts(filter: Filter): Filter[] {
  return filter.kind === 'and' ? [...conjuncts(filter.left), ...conjuncts(filter.right)] : [filter];
}

/** The members that a filter looks at, in the order of the text. */
export function pathsOf(filter: Filter): string[] {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return [...pathsOf(filter.left), ...pathsOf(filter.right)];
    case 'not':
      return pathsOf(filter.operand);
    case 'call':
    case 'compare':
      return [filter.path];
  }
}

function memberAt(object: JsonObject, path: string): Json | undefined {
  let value: Json | undefined = object;
  for (const name of path.split('/')) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
    value = value[name];
  }
  return value;
}

function compare(member: Json | undefined, operator: Comparison, value: string | number | boolean | null): boolean {
  const [left, right] = [comparable(member ?? null), comparable(value)];
  if (operator === 'eq') return left === right;
  if (operator === 'ne') return left !== right;
  if (left === null || right === null) return false;
  if (operator === 'gt') return left > right;
  if (operator === 'ge') return left >= right;
  return operator === 'lt' ? left < right : left <= right;
}

function comparable(value: Json): string | number | boolean | null {
  if (typeof value !== 'string') return typeof value === 'object' ? null : value;
  return /^\d{4}-\d{2}-\d{2}(T|$)/.test(value) ? Date.parse(value) : value.toLowerCase();
}

function invalid(): Error {
  return faults.badRequest('Invalid filter clause');
}
