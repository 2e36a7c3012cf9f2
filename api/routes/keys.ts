import { createKey, listKeys, revokeKey } from '../../store/api-keys.ts';
import { recordAudit } from '../../store/audit.ts';
import { foundOrganization } from '../environment-destinations.ts';
import { notFound } from '../errors.ts';
import type { ApiParts } from '../parts.ts';
import { route, type Route } from '../route.ts';
import { KeyList, KeyMade, KeyParams, KeyRequest, KeyRevoked, KeysQuery } from '../schemas/keys.ts';
import { organizationFor } from '../scope.ts';

export const keyRoutes = ({ db, keys, environmentDestinations }: ApiParts): readonly Route[] => [
  route({
    method: 'post',
    path: '/api/v1/keys',
    tag: 'Keys',
    summary: 'Make a key',
    description: "For one organization, which is made where it is new, or an administrator's.",
    access: 'administrator',
    body: KeyRequest,
    answers: { 201: { description: 'The key, shown this once', schema: KeyMade } },
    errors: [413],
    async handle({ body: { name, organizationId }, principal, log }) {
      if (organizationId !== null) await foundOrganization({ db, environmentDestinations }, organizationId);
      const { id, key } = await createKey(db, { organizationId, name });
      log.info({ keyId: id, organizationId }, 'Key made');
      const target = `key:${id}`;
      await recordAudit(db, { actor: principal.actor, organizationId, action: 'key.create', target });
      const message = 'Keep this key now: it is not shown again';
      return { status: 201, body: { success: true, id, key, organizationId, name, message } };
    },
  }),
  route({
    method: 'get',
    path: '/api/v1/keys',
    tag: 'Keys',
    summary: 'List keys',
    description: "Those of the key's organization; an administrator sees all. The keys themselves are not shown.",
    access: 'key',
    query: KeysQuery,
    answers: { 200: { description: 'Keys, revoked ones too', schema: KeyList } },
    errors: [404],
    async handle({ query, principal }) {
      const organizationId = await organizationFor(db, principal, query.organizationId);
      return { status: 200, body: { success: true, keys: await listKeys(db, organizationId) } };
    },
  }),
  route({
    method: 'delete',
    path: '/api/v1/keys/{id}',
    tag: 'Keys',
    summary: 'Revoke a key',
    description: 'This process refuses it at once, others within 5 seconds.',
    access: 'administrator',
    params: KeyParams,
    answers: { 200: { description: 'It opens nothing any more', schema: KeyRevoked } },
    errors: [404],
    async handle({ params: { id }, principal, log }) {
      if (!(await revokeKey(db, id, null))) throw notFound(`Key ${id} is not known, or was revoked before`);
      keys.forget();
      log.info({ keyId: id }, 'Key revoked');
      const target = `key:${id}`;
      await recordAudit(db, { actor: principal.actor, organizationId: null, action: 'key.revoke', target });
      return { status: 200, body: { success: true, id, message: `Key ${id} is revoked` } };
    },
  }),
];
