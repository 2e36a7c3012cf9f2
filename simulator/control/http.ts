import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Bytes, JsonObject } from '../mail/bytes.ts';
import type { Fault } from '../faults/fault-rule.ts';
import { drained } from '../delivery.ts';
import { readFaults } from '../faults/read-fault.ts';
import type { Hold } from '../msgraph/holds.ts';
import { readBody } from '../server.ts';
import type { SimulatorControl } from './control.ts';
import { ControlError } from './control-error.ts';
import { readBulk, readChurn, readLimits, readTenantChange, readTreeSize } from './read-control.ts';
import { ATTACHMENT_HANDLERS, streamAttachments } from './attachments-http.ts';
import { type Handler, LIVE_HANDLERS } from './live-http.ts';
import { readAttachments } from './read-attachment.ts';
import type { TruthQuery } from './truth.ts';

const CHUNK = 1 << 18;

/**
 * The control API over HTTP, by method and path below `/_sim`. Bodies and answers are JSON; a handler that gives
 * nothing answers 204.
 */
const HANDLERS: Record<string, Handler> = {
  'GET /truth/summary': (control) => control.truth.summary(),
  'GET /truth/mailboxes': (control) => ({ value: control.truth.mailboxes() }),
  'GET /truth/messages': (control, { query }) => control.truth.page(truthQuery(query)),
  'GET /stats': (control) => control.stats(),
  'DELETE /stats': (control) => control.resetStats(),
  'POST /latency': (control, { body }) => control.setLatency(Number(body.milliseconds)),
  'GET /limits': (control) => control.limits(),
  'POST /limits': (control, { body }) => control.setLimits(readLimits(body)),
  'POST /messages': (control, { body }) =>
    control.addMessage(
      folderRef(body),
      object(body.message ?? {}),
      readAttachments(body.attachments),
      readBulk(body.bulk),
    ),
  'PATCH /messages': (control, { body }) => control.changeMessage(messageRef(body), object(body.patch ?? {})),
  'POST /messages/move': (control, { body }) => control.moveMessage(messageRef(body), text(body, 'folder')),
  'POST /messages/restore': (control, { body }) => control.restoreMessage(messageRef(body), text(body, 'folder')),
  'DELETE /messages': (control, { body }) => control.removeMessage(messageRef(body)),
  'POST /folders': (control, { body }) =>
    control.createFolder(
      text(body, 'mailbox'),
      text(body, 'parent'),
      text(body, 'displayName'),
      body.isHidden === true,
    ),
  'POST /folders/tree': (control, { body }) => {
    const { mailbox: _mailbox, parent: _parent, ...size } = body;
    return control.createTree(text(body, 'mailbox'), text(body, 'parent'), readTreeSize(size));
  },
  'PATCH /folders': (control, { body }) => control.changeFolder(folderRef(body), object(body.change ?? {})),
  'DELETE /folders': (control, { body }) => control.removeFolder(folderRef(body)),
  'POST /delta/expire': (control, { body }) =>
    control.expireDelta({
      mailbox: text(body, 'mailbox'),
      ...(body.folder === undefined ? {} : { folder: text(body, 'folder') }),
    }),
  'POST /tenant': (control, { body }) => control.changeTenant(readTenantChange(body)),
  'POST /churn': (control, { body }) => control.startChurn(readChurn(body)),
  'GET /churn': (control) => ({ value: control.churns() }),
  'DELETE /churn': (control, { query }) => ({
    value: control.stopChurn(query.has('id') ? Number(query.get('id')) : undefined),
  }),
  ...LIVE_HANDLERS,
  ...ATTACHMENT_HANDLERS,
  'GET /holds': (control) => ({ value: control.holds().map(({ id, waiting }) => ({ id, waiting })) }),
  'POST /holds': (control, { body }) => ({ id: control.hold(body).id }),
  'GET /holds/reached': (control, { query }) => holdOf(control, query).reached(),
  'DELETE /holds': (control, { query }) => holdOf(control, query).release(),
  'POST /faults': (control, { sent }) => {
    const faults = readFaults(sent);
    const made = 'preset' in faults ? control.addPreset(faults) : faults.map((rule) => control.addFault(rule));
    return { ids: made.map(({ id }) => id) };
  },
  'GET /faults': (control) => ({ value: control.faults().map(faultJson) }),
  'DELETE /faults': (control) => control.clearFaults(),
};

/** Makes the handler of `/_sim/…`. */
export function controlHandler(control: SimulatorControl) {
  return async (request: IncomingMessage, response: ServerResponse, target: string): Promise<void> => {
    const url = new URL(target, 'http://simulator');
    const path = url.pathname.slice('/_sim'.length);
    if (request.method === 'GET' && path === '/truth/messages.ndjson') {
      return streamLines(response, control.truth.lines(truthQuery(url.searchParams)));
    }
    if (request.method === 'GET' && path === '/truth/attachments.ndjson') {
      return streamAttachments(response, control, url.searchParams);
    }
    try {
      const sent = await readJson(request);
      const result = await answer(control, `${request.method} ${path}`, { sent, query: url.searchParams });
      if (result === undefined) response.writeHead(204).end();
      else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(result));
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      response.writeHead(error.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: error.message }));
    }
  };
}

/** @throws ControlError for what the control API does not offer. */
function answer(
  control: SimulatorControl,
  operation: string,
  { sent, query }: { sent: unknown; query: URLSearchParams },
): unknown {
  const fault = /^DELETE \/faults\/(\d+)$/.exec(operation);
  if (fault) return control.removeFault(Number(fault[1]));
  const handler = HANDLERS[operation];
  if (!handler) throw new ControlError(404, `There is no ${operation} below /_sim.`);
  return handler(control, { query, sent, body: Array.isArray(sent) ? {} : object(sent) });
}

function faultJson({ id, rule, met, struck }: Fault) {
  return { id, ...rule, met, struck };
}

async function streamLines(response: ServerResponse, lines: Iterable<Bytes>): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  let chunk: Bytes = '';
  for (const line of lines) {
    chunk += line;
    if (chunk.length < CHUNK) continue;
    const isFull = !response.write(Buffer.from(chunk, 'latin1'));
    chunk = '';
    if (response.destroyed) return;
    if (isFull) await drained(response);
  }
  response.end(Buffer.from(chunk, 'latin1'));
}

function holdOf(control: SimulatorControl, query: URLSearchParams): Hold {
  const hold = control.holds().find(({ id }) => String(id) === query.get('id'));
  if (!hold) throw new ControlError(404, `There is no hold ${query.get('id')}.`);
  return hold;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const body = Buffer.from(await readBody(request)).toString();
  if (body === '') return {};
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new ControlError(400, 'The body is no JSON.', { cause });
  }
}

function truthQuery(query: URLSearchParams): TruthQuery {
  const limit = query.get('limit');
  return {
    ...Object.fromEntries(
      ['mailbox', 'folder', 'after'].flatMap((name) => (query.has(name) ? [[name, query.get(name)]] : [])),
    ),
    ...(query.get('scope') === 'all' ? { scope: 'all' } : {}),
    ...(limit === null ? {} : { limit: Number(limit) }),
  };
}

function object(value: unknown): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ControlError(400, 'An object is wanted.');
  return value as JsonObject;
}

function text(body: JsonObject, name: string): string {
  const value = body[name];
  if (typeof value !== 'string') throw new ControlError(400, `'${name}' is missing or no text.`);
  return value;
}

function messageRef(body: JsonObject): { mailbox: string; id: string } {
  return { mailbox: text(body, 'mailbox'), id: text(body, 'id') };
}

function folderRef(body: JsonObject): { mailbox: string; folder: string } {
  return { mailbox: text(body, 'mailbox'), folder: text(body, 'folder') };
}
