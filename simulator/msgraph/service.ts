import { setTimeout as delay } from 'node:timers/promises';
import type { AccessTokens } from '../entra/tokens.ts';
import { type Answer, faultAnswer } from './answer.ts';
import { getAttachment, getAttachmentValue, listAttachments } from './attachments.ts';
import { answerBatch } from './batch.ts';
import { messagesDelta } from './delta.ts';
import { faults, GraphFault } from './fault.ts';
import { foldersDelta, getFolder, listFolders } from './folders.ts';
import type { Gate } from './gate.ts';
import { countMessages, getMessage, getMime, listMessages } from './messages.ts';
import { readPreferences, readQuery } from './query.ts';
import type { GraphRequest, GraphWorld } from './request.ts';
import { readRoute } from './route.ts';
import type { StatsCounter } from './stats.ts';
import { countUsers, getMailboxSettings, getUser, listOrganization, listUsers } from './users.ts';

/** A request as it came over HTTP or out of a batch. Header names are in lower case. */
export interface IncomingRequest {
  method: string;
  /** Path and query below `/v1.0`, still encoded. */
  target: string;
  headers: Readonly<Record<string, string | undefined>>;
  body: Uint8Array;
  base: string;
  requestId: string;
  clientRequestId: string;
}

/** What the service needs beside the mail. */
export interface GraphParts extends GraphWorld {
  tokens: AccessTokens;
  gate: Gate;
  stats: StatsCounter;
  /** Milliseconds that every request waits before it is answered; may change at any time. */
  latency: { milliseconds: number };
}

const DIAGNOSTIC = JSON.stringify({
  ServerInfo: { DataCenter: 'Simulator', Slice: 'E', Ring: '1', ScaleUnit: '000', RoleInstance: 'SIM00000001' },
});

/** Microsoft Graph: one call answers one request, with an error answer where Graph would give one. */
export class GraphService {
  readonly #parts: GraphParts;

  constructor(parts: GraphParts) {
    this.#parts = parts;
  }

  async answer(incoming: IncomingRequest): Promise<Answer> {
    const answer = await this.#attempt(incoming);
    answer.headers['request-id'] = incoming.requestId;
    answer.headers['client-request-id'] = incoming.clientRequestId;
    answer.headers['x-ms-ags-diagnostic'] = DIAGNOSTIC;
    return answer;
  }

  async #attempt(incoming: IncomingRequest): Promise<Answer> {
    try {
      return await this.#counted(this.#read(incoming), incoming);
    } catch (error) {
      if (error instanceof GraphFault) return faultAnswer(error, incoming);
      throw error;
    }
  }

  #read(incoming: IncomingRequest): GraphRequest {
    const { tokens, tenant } = this.#parts;
    const roles = tokens.check(incoming.headers.authorization);
    const [path = '', search = ''] = splitOnce(incoming.target, '?');
    const route = readRoute(path);
    if (incoming.method !== 'GET' && route.kind !== 'batch') throw faults.methodNotAllowed();
    if (route.kind === 'batch' && incoming.method !== 'POST') throw faults.methodNotAllowed();
    return {
      ...incoming,
      route,
      userId: 'user' in route ? tenant.user(route.user)?.id : undefined,
      query: readQuery(search),
      preferences: readPreferences(incoming.headers.prefer),
      isEventual: incoming.headers.consistencylevel?.toLowerCase() === 'eventual',
      roles,
    };
  }

  async #counted(request: GraphRequest, incoming: IncomingRequest): Promise<Answer> {
    const { gate, latency, stats } = this.#parts;
    stats.begin(request.route.kind, request.userId);
    let status = 500;
    let bytes = 0;
    try {
      if (latency.milliseconds > 0 && request.route.kind !== 'batch') await delay(latency.milliseconds);
      if (!gate.isOpen) await gate.pass(request);
      const answer = await this.#dispatch(request, incoming);
      status = answer.status;
      bytes = answer.body.reduce((sum, part) => sum + part.length, 0);
      return answer;
    } catch (error) {
      if (error instanceof GraphFault) status = error.status;
      throw error;
    } finally {
      stats.end(request.userId, status, bytes);
    }
  }

  #dispatch(request: GraphRequest, incoming: IncomingRequest): Answer | Promise<Answer> {
    const world = this.#parts;
    const { route } = request;
    switch (route.kind) {
      case 'organization':
        return listOrganization(world, request);
      case 'users':
        return listUsers(world, request);
      case 'usersCount':
        return countUsers(world, request);
      case 'user':
        return getUser(world, request, route.user);
      case 'mailboxSettings':
        return getMailboxSettings(world, request, route.user);
      case 'mailFolders':
      case 'childFolders':
        return listFolders(world, request, route);
      case 'mailFoldersDelta':
        return foldersDelta(world, request, route);
      case 'mailFolder':
        return getFolder(world, request, route);
      case 'messages':
        return listMessages(world, request, route);
      case 'messagesCount':
        return countMessages(world, request, route);
      case 'messagesDelta':
        return messagesDelta(world, request, route);
      case 'message':
        return getMessage(world, request, route);
      case 'messageValue':
        return getMime(world, request, route);
      case 'attachments':
        return listAttachments(world, request, route);
      case 'attachment':
        return getAttachment(world, request, route);
      case 'attachmentValue':
        return getAttachmentValue(world, request, route);
      case 'batch':
        return answerBatch(incoming, (inner) => this.answer(inner));
    }
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
