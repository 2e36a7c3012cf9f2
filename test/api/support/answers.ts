import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { OpenApiDocument } from '../../../api/openapi.ts';

const DOCUMENT = 'openapi.json';

/** Holds live answers against the schemas that the API documents. */
export class DocumentedAnswers {
  readonly document: OpenApiDocument;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #known = new Map<string, ValidateFunction>();

  constructor(document: OpenApiDocument) {
    this.document = document;
    formats.default(this.#ajv);
    this.#ajv.addSchema(document, DOCUMENT);
  }

  /** @throws {Error} when the answer has a status or a form that is not documented. */
  check(method: string, pathname: string, status: number, body: unknown): void {
    const path = Object.keys(this.document.paths ?? {}).find((template) => matches(template, pathname));
    if (path === undefined) return this.#validate('/components/schemas/Error', body);
    const operation = this.document.paths?.[path]?.[method.toLowerCase() as 'get'];
    if (!operation) return this.#validate('/components/schemas/Error', body);
    const responses = operation.responses as Record<string, unknown> | undefined;
    if (!responses?.[status]) throw new Error(`${method} ${path} answers ${status}, which is not documented`);
    const pointer = ['paths', path, method.toLowerCase(), 'responses', String(status), 'content', 'application/json'];
    return this.#validate(`/${[...pointer, 'schema'].map(escape).join('/')}`, body);
  }

  #validate(pointer: string, body: unknown): void {
    const validate = this.#known.get(pointer) ?? this.#ajv.compile({ $ref: `${DOCUMENT}#${encodeURI(pointer)}` });
    this.#known.set(pointer, validate);
    if (!validate(body)) {
      throw new Error(`${pointer}: ${this.#ajv.errorsText(validate.errors)} in ${JSON.stringify(body)}`);
    }
  }
}

const escape = (part: string): string => part.replaceAll('~', '~0').replaceAll('/', '~1');

const matches = (template: string, pathname: string): boolean =>
  new RegExp(`^${template.replace(/[.+?^$()|[\]\\]/g, '\\$&').replace(/\{\w+\}/g, '[^/]+')}$`).test(pathname);
