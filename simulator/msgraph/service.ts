import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import type { AccessTokens } from '../entra/tokens.ts';
import { type Refusals, strikeExchange } from '../faults/exchange.ts';
import type { Faults } from '../faults/faults.ts';
import { stateFault, statusFault } from '../faults/words.ts';
import { type Answer, faultAnswer } from './answer.ts';
import { getAttachment, getAttachmentValue, listAttachments } from './attachments.ts';
import { answerBatch } from './batch.ts';
import { messagesDelta } from './delta.ts';
import { faults, GraphFault } from './fault.ts';
import { foldersDelta, getFolder, listFolders } from './folders.ts';
import type { Holds } from './holds.ts';
import type { Throttle } from './limits.ts';
import { countMessages, getMessage, getMime, listMessages } from './messages.ts';
import { patchMessage } from './patch-message.ts';
import { readPreferences, readQuery } from './query.ts';
import type { GraphRequest, GraphWorld } from './request.ts';
import { isOutlook, methodsOf, readRoute } from './route.ts';
import type { MailboxUse, StatsCounter } from './stats.ts';
import { answerSubscriptions, userOfSubscription } from './subscriptions.ts';
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
  /** It came inside a batch. */
  inBatch: boolean;
  /** Has something called when the answer was sent to its end, or the client is gone. */
  onEnd(callback: () => void): void;
}

/** What the service needs beside the mail. */
export interface GraphParts extends GraphWorld {
  tokens: AccessTokens;
  holds: Holds;
  faults: Faults;
  throttle: Throttle;
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
    if (!methodsOf(route).includes(incoming.method)) throw faults.methodNotAllowed();
    return {
      ...incoming,
      route,
      userId:
        route.kind === 'subscriptions'
          ? userOfSubscription(this.#parts, route, incoming.body)
          : 'user' in route
            ? tenant.user(route.user)?.id
            : undefined,
      query: readQuery(search),
      preferences: readPreferences(incoming.headers.prefer),
      isEventual: incoming.headers.consistencylevel?.toLowerCase() === 'eventual',
      roles,
      faults: undefined,
    };
  }

  async #counted(request: GraphRequest, incoming: IncomingRequest): Promise<Answer> {
    const { stats } = this.#parts;
    const use = await this.#begin(request, incoming);
    let status = 500;
    let bytes = 0;
    try {
      if (request.route.kind !== 'batch') this.#throttle(use);
      const answer = await this.#answer(request, incoming);
      status = answer.status;
      bytes = answer.body.reduce((sum, part) => sum + part.length, 0);
      return answer;
    } catch (error) {
      if (error instanceof GraphFault) status = error.status;
      throw error;
    } finally {
      stats.answer(status, bytes);
    }
  }

  /** Counts a request as in flight from now until its answer is sent. */
  async #begin({ route: { kind }, userId }: GraphRequest, incoming: IncomingRequest): Promise<MailboxUse | undefined> {
    const { stats, throttle } = this.#parts;
    const use = userId === undefined || !isOutlook(kind) ? undefined : stats.useOf(userId);
    // Whoever has given up another request just now must be noticed before this one is called too many.
    for (let turns = 0; turns < 2 && use && throttle.isFull(use.inFlight); turns++) await turn();
    const flight = stats.begin(kind, use, Date.now());
    incoming.onEnd(() => stats.end(use, flight));
    return use;
  }

  #throttle(use: MailboxUse | undefined): void {
    const { stats, throttle } = this.#parts;
    const now = Date.now();
    try {
      throttle.checkApp(now);
      if (use) throttle.checkMailbox(use, now);
    } catch (error) {
      stats.refuse(use);
      throw error;
    }
  }

  async #answer(request: GraphRequest, incoming: IncomingRequest): Promise<Answer> {
    const { holds, latency } = this.#parts;
    if (latency.milliseconds > 0 && request.route.kind !== 'batch') await delay(latency.milliseconds);
    if (!holds.isEmpty) await holds.pass(request);
    const struck = this.#parts.faults.of(request);
    if (!struck) return this.#dispatch(request, incoming);
    request.faults = struck;
    return strikeExchange(struck, {
      inBatch: incoming.inBatch,
      refusals: this.#refusals(request),
      answer: () => this.#dispatch(request, incoming),
    });
  }

  #refusals(request: GraphRequest): Refusals {
    const user = 'user' in request.route ? request.route.user : '';
    return {
      status: (effect) => faultAnswer(statusFault(effect), request),
      mailbox: ({ state }) => {
        const fault = stateFault(state, user);
        return faultAnswer(request.route.kind === 'subscriptions' ? faults.creationRefused(fault) : fault, request);
      },
      entra: () => faultAnswer(faults.unknownToken(), request),
      revokeTokens: () => {
        this.#parts.tokens.revokeAll();
        return faultAnswer(faults.expiredToken(), request);
      },
    };
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
        return request.method === 'PATCH' ? patchMessage(world, request, route) : getMessage(world, request, route);
      case 'messageValue':
        return getMime(world, request, route);
      case 'attachments':
        return listAttachments(world, request, route);
      case 'attachment':
        return getAttachment(world, request, route);
      case 'attachmentValue':
        return getAttachmentValue(world, request, route);
      case 'subscriptions':
        return answerSubscriptions(world, request, route);
      case 'batch':
        return answerBatch(incoming, (inner) => this.answer(inner));
    }
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
