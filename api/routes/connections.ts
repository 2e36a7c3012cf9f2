import { daysUntil, expiryWarning } from '../../model/credential-expiry.ts';
import { recordAudit } from '../../store/audit.ts';
import type { EndedCheck } from '../../store/connection-checks.ts';
import {
  connectionById,
  listConnections,
  removeConnection,
  type StoredConnection,
} from '../../store/connection-list.ts';
import { checkConnection, refuseUnlessActive } from '../check-connection.ts';
import { toCredential } from '../credential.ts';
import { foundOrganization } from '../environment-destinations.ts';
import { badRequest, conflict, notFound } from '../errors.ts';
import type { ApiParts } from '../parts.ts';
import type { Principal } from '../principal.ts';
import { route, type Route } from '../route.ts';
import { OrganizationQuery } from '../schemas/common.ts';
import {
  CheckRequest,
  ConnectionAnswer,
  ConnectionChecked,
  ConnectionList,
  ConnectionParams,
  ConnectionRemoved,
  ConnectionRequest,
  RotationRequest,
  type ConnectionEntry,
} from '../schemas/connections.ts';
import { organizationFor, refuseForeign } from '../scope.ts';

export const connectionRoutes = (parts: ApiParts): readonly Route[] => [
  createRoute(parts),
  listRoute(parts),
  getRoute(parts),
  rotateRoute(parts),
  checkRoute(parts),
  removeRoute(parts),
];

const createRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: '/api/v1/connections',
    tag: 'Connections',
    summary: 'Make the connection of an organization',
    description: 'It is checked first, which takes some seconds, and kept only when it works.',
    access: 'key',
    body: ConnectionRequest,
    answers: { 201: { description: 'It works and is kept', schema: ConnectionChecked } },
    errors: [404, 409, 413, 422],
    async handle({ body: { auth, secretExpiresAt, mailbox, ...named }, principal, log }) {
      const { db, config, workflows } = parts;
      refuseForeign(principal, named.organizationId);
      const organizationId = principal.organizationId ?? named.organizationId;
      if (organizationId === undefined) {
        throw badRequest([{ path: 'organizationId', message: 'name the organization whose connection it is' }]);
      }
      const [existing] = await listConnections(db, organizationId);
      if (existing) {
        throw conflict(
          `Organization ${organizationId} has a connection already (${existing.id}): rotate its credential, or remove it`,
        );
      }
      await workflows.version();
      await foundOrganization(parts, organizationId);
      const { tenantId, clientId } = auth;
      const connection = { tenantId, clientId, cloud: config.graph.cloud, credential: toCredential(auth) };
      const candidate = { connection, secretExpiresAt };
      const ended = await checkConnection(parts, { organizationId, candidate, mailbox });
      const [made] = await listConnections(db, organizationId);
      const details = { kind: connection.credential.kind, outcome: ended.outcome };
      const { actor } = principal;
      await recordAudit(db, { actor, organizationId, action: 'connection.create', target: made?.id, details });
      refuseUnlessActive(ended);
      log.info({ organizationId, connectionId: made?.id }, 'Connection made');
      return { status: 201, body: checkedAnswer(made, ended) };
    },
  });

const listRoute = ({ db }: ApiParts): Route =>
  route({
    method: 'get',
    path: '/api/v1/connections',
    tag: 'Connections',
    summary: 'List connections',
    description: "That of the key's organization; an administrator sees all. Secrets are never shown.",
    access: 'key',
    query: OrganizationQuery,
    answers: { 200: { description: 'Connections and when their credentials end', schema: ConnectionList } },
    errors: [404],
    async handle({ query, principal }) {
      const organizationId = await organizationFor(db, principal, query.organizationId);
      const connections = await listConnections(db, organizationId);
      return { status: 200, body: { success: true, connections: connections.map(entryOf) } };
    },
  });

const getRoute = ({ db }: ApiParts): Route =>
  route({
    method: 'get',
    path: '/api/v1/connections/{id}',
    tag: 'Connections',
    summary: 'Show a connection',
    access: 'key',
    params: ConnectionParams,
    answers: { 200: { description: 'All of it but its secret', schema: ConnectionAnswer } },
    errors: [404],
    async handle({ params: { id }, principal }) {
      const connection = await find({ db }, id, principal);
      return { status: 200, body: { success: true, connection: entryOf(connection) } };
    },
  });

const rotateRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: '/api/v1/connections/{id}/rotate',
    tag: 'Connections',
    summary: 'Replace the credential of a connection',
    description:
      'The new one is checked first and takes the place of the old one only when it works. Scans that run go on with it.',
    access: 'key',
    params: ConnectionParams,
    body: RotationRequest,
    answers: { 200: { description: 'The new credential is in use', schema: ConnectionChecked } },
    errors: [404, 409, 413, 422],
    async handle({ params: { id }, body: { secretExpiresAt, mailbox, ...brought }, principal, log }) {
      const { db } = parts;
      const { organizationId, tenantId, cloud, ...stored } = await find(parts, id, principal);
      const clientId = brought.clientId ?? stored.clientId;
      const connection = { tenantId, clientId, cloud, credential: toCredential(brought) };
      const candidate = { connection, secretExpiresAt };
      const ended = await checkConnection(parts, { organizationId, connectionId: id, candidate, mailbox });
      const details = { kind: connection.credential.kind, outcome: ended.outcome };
      const { actor } = principal;
      await recordAudit(db, { actor, organizationId, action: 'connection.rotate', target: id, details });
      refuseUnlessActive(ended);
      log.info({ organizationId, connectionId: id }, 'Connection rotated');
      return { status: 200, body: checkedAnswer(await find(parts, id, principal), ended) };
    },
  });

const checkRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: '/api/v1/connections/{id}/check',
    tag: 'Connections',
    summary: 'Try everything that a scan needs of a connection',
    description: 'Says in plain words what is missing and what to click. Changes nothing, and takes some seconds.',
    access: 'key',
    params: ConnectionParams,
    body: CheckRequest,
    answers: { 200: { description: 'What was found, good or bad', schema: ConnectionChecked } },
    errors: [404, 409, 413],
    async handle({ params: { id }, body: { mailbox }, principal }) {
      const { organizationId } = await find(parts, id, principal);
      const ended = await checkConnection(parts, { organizationId, connectionId: id, mailbox });
      const { actor } = principal;
      const details = { outcome: ended.outcome };
      await recordAudit(parts.db, { actor, organizationId, action: 'connection.check', target: id, details });
      return { status: 200, body: checkedAnswer(await find(parts, id, principal), ended) };
    },
  });

const removeRoute = ({ db }: ApiParts): Route =>
  route({
    method: 'delete',
    path: '/api/v1/connections/{id}',
    tag: 'Connections',
    summary: 'Remove a connection and its credential',
    description:
      'What was read with it stays. Refused while a scan of the organization runs or waits, or a session of it runs.',
    access: 'key',
    params: ConnectionParams,
    answers: { 200: { description: 'It is gone', schema: ConnectionRemoved } },
    errors: [404, 409],
    async handle({ params: { id }, principal, log }) {
      const { organizationId } = await find({ db }, id, principal);
      const removal = await removeConnection(db, id);
      if (removal.status === 'unknown') throw unknown(id);
      if (removal.status === 'in_use') {
        const scans = removal.scanIds.join(', ');
        throw conflict(
          `Connection ${id} is in use by what runs or waits (${scans}): cancel those scans, or stop the session, first`,
        );
      }
      log.info({ organizationId, connectionId: id }, 'Connection removed');
      await recordAudit(db, { actor: principal.actor, organizationId, action: 'connection.remove', target: id });
      return { status: 200, body: { success: true, id, message: `Connection ${id} is removed` } };
    },
  });

async function find({ db }: Pick<ApiParts, 'db'>, id: string, principal: Principal): Promise<StoredConnection> {
  const connection = await connectionById(db, id, principal.organizationId);
  if (!connection) throw unknown(id);
  return connection;
}

const unknown = (id: string) => notFound(`Connection ${id} is not known`);

function checkedAnswer(connection: StoredConnection | undefined, { outcome, endedAt, findings }: EndedCheck): object {
  return {
    success: true,
    connection: connection && entryOf(connection),
    outcome,
    checkedAt: endedAt,
    findings,
  };
}

function entryOf(connection: StoredConnection): ConnectionEntry {
  const { kind, expiresAt, ...entry } = connection;
  const now = Date.now();
  const expiresInDays = expiresAt === null ? null : daysUntil(expiresAt, now);
  return { ...entry, credential: { kind, expiresAt, expiresInDays }, warnings: warningsOf(connection, now) };
}

const UNREADABLE =
  'The stored credential is sealed under a key that OUTHAUL_KEYS does not hold: add the key, or rotate the connection';

function warningsOf(connection: StoredConnection, now: number): string[] {
  const { kind, lastCheck } = connection;
  return [
    ...(kind === null ? [UNREADABLE] : []),
    ...[expiryWarning(connection, now) ?? []].flat(),
    ...(lastCheck?.outcome === 'failed' ? ['The last check of the connection failed: check it again'] : []),
  ];
}
