import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';

const FILE = join(import.meta.dirname, '../../../shared/data/graph/openapi-mail.json');

interface Schema {
  $ref?: string;
  allOf?: Schema[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
}

type Method = 'get' | 'post' | 'patch';

interface Document {
  paths: Record<
    string,
    Partial<Record<Method, { responses: Record<string, { content?: Record<string, { schema: Schema }> }> }>>
  >;
  components: { schemas: Record<string, Schema>; responses: Record<string, unknown> };
}

/** Whether the published description of Graph's mail endpoints lies where tests look for it. */
export const hasOpenApi = existsSync(FILE);
if (!hasOpenApi) process.stderr.write(`The tests against Graph's OpenAPI are skipped: there is no ${FILE}\n`);

const ERROR = 'microsoft.graph.ODataErrors.ODataError';

/** Validates answers against the published description. */
export class OpenApi {
  readonly #document = JSON.parse(readFileSync(FILE, 'utf8')) as Document;
  readonly #ajv = new Ajv({ strict: false, allErrors: true });
  readonly #validators = new Map<string, ValidateFunction>();

  constructor() {
    formats.default(this.#ajv);
    // Edm.TimeOfDay became `time`, which demands a zone in JSON Schema; Graph sends none.
    this.#ajv.addFormat('time', /^\d\d:\d\d:\d\d(\.\d{1,12})?$/);
    this.#ajv.addSchema(this.#document, 'graph');
  }

  /** What is wrong with the answer to a request for `path` (as the document names it): nothing, or ajv's words. */
  faultsOf(path: string, status: number, body: unknown, method: Method = 'get'): string[] {
    return status < 400 ? this.faultsOfSchema(this.#responseSchema(path, method), body) : this.#invalid(ERROR, body);
  }

  /** What is wrong with a body that has a schema by itself. */
  faultsOfSchema(name: string, body: unknown): string[] {
    return [...this.#invalid(name, body), ...this.#misspelt(name, body)];
  }

  #responseSchema(path: string, method: Method): string {
    const responses = this.#document.paths[path]?.[method]?.responses;
    const response = responses?.['2XX'] ?? responses?.['200'];
    const schema = response?.content?.['application/json']?.schema;
    if (schema?.$ref === undefined) throw new Error(`The description has no schema for ${method} ${path}`);
    return nameOf(schema.$ref);
  }

  #invalid(name: string, body: unknown): string[] {
    let validate = this.#validators.get(name);
    if (!validate) {
      validate = this.#ajv.compile({ $ref: `graph#/components/schemas/${name}` });
      this.#validators.set(name, validate);
    }
    if (validate(body)) return [];
    return (validate.errors ?? []).map(({ instancePath, message }) => `${name}${instancePath} ${message ?? ''}`);
  }

  /**
   * Schemas are open, so a misspelt member would validate: members are therefore compared with all that the schema, or
   * the derived one that `@odata.type` names, knows. Annotations (with an `@`) are free.
   */
  #misspelt(name: string, value: unknown): string[] {
    if (Array.isArray(value)) return value.flatMap((item) => this.#misspelt(name, item));
    if (typeof value !== 'object' || value === null) return [];
    const type = (value as Record<string, unknown>)['@odata.type'];
    const derived = typeof type === 'string' ? type.slice(1) : name;
    const properties = this.#properties(derived in this.#document.components.schemas ? derived : name);
    return Object.entries(value).flatMap(([member, inner]) => {
      if (member.includes('@')) return [];
      const schema = properties.get(member);
      if (!schema) return [`${derived} has no member ${member}`];
      const below = refOf(schema);
      return below === undefined ? [] : this.#misspelt(below, inner);
    });
  }

  #properties(name: string): Map<string, Schema> {
    const schema = this.#document.components.schemas[name];
    const own = (part: Schema): [string, Schema][] => [
      ...(part.$ref === undefined ? [] : [...this.#properties(nameOf(part.$ref))]),
      ...(part.allOf ?? []).flatMap(own),
      ...Object.entries(part.properties ?? {}),
    ];
    return new Map(schema ? own(schema) : []);
  }
}

function nameOf(ref: string): string {
  return ref.split('/').at(-1) ?? ref;
}

/** The schema that a property's value, or each item of it, has. */
function refOf(schema: Schema): string | undefined {
  if (schema.$ref !== undefined) return nameOf(schema.$ref);
  if (schema.items) return refOf(schema.items);
  for (const part of [...(schema.anyOf ?? []), ...(schema.allOf ?? [])]) {
    const ref = refOf(part);
    if (ref !== undefined) return ref;
  }
  return undefined;
}
