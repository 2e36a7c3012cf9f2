import { KeyRingError } from '../../config/key-ring.ts';
import { recordAudit } from '../../store/audit.ts';
import { withLock } from '../../store/locks.ts';
import { listOrganizations } from '../../store/organizations.ts';
import { recordSealingKey } from '../../store/retired-keys.ts';
import { resealCredentials } from '../../store/sealed-credentials.ts';
import { HttpError } from '../errors.ts';
import { reportKeys } from '../key-ring-report.ts';
import type { ApiParts } from '../parts.ts';
import { route, type Route } from '../route.ts';
import { KeyRingState, KeysRotated, RotateQuery } from '../schemas/key-ring.ts';

export const keyRingRoutes = (parts: ApiParts): readonly Route[] => [
  route({
    method: 'get',
    path: '/api/v1/maintenance/key-ring',
    tag: 'Maintenance',
    summary: 'Show the keys that seal secrets, and what still needs each',
    description: 'As the ring of the process that answers has them, by id.',
    access: 'administrator',
    answers: { 200: { description: 'The keys, newest first', schema: KeyRingState } },
    async handle() {
      return { status: 200, body: { success: true, ...(await stateOf(parts)) } };
    },
  }),
  route({
    method: 'post',
    path: '/api/v1/maintenance/rotate-keys',
    tag: 'Maintenance',
    summary: 'Seal everything under the newest key',
    description:
      'Where a key file decides which key seals, a new key is put in front of it first, and every process that shares ' +
      'the file seals with it from then on. Nothing is stopped; older keys stay in the ring and open what they have sealed.',
    access: 'administrator',
    query: RotateQuery,
    answers: { 200: { description: 'What was done, and what still needs the older keys', schema: KeysRotated } },
    errors: [409],
    handle: ({ query, principal, log }) =>
      withLock(parts.db, 'rotate-keys', async () => {
        const { db, keyRing } = parts;
        const newKey = query.newKey === undefined ? keyRing.isFile : query.newKey === 'true';
        if (newKey) log.info({ keyId: addKey(parts) }, 'Sealing key made');
        const { currentKeyId, keyIds } = keyRing.ring;
        const resealed = await resealCredentials(db, currentKeyId);
        const organizations = await listOrganizations(db);
        const schedules = await parts.schedules.reseal(
          organizations.map((one) => one.organizationId),
          (keyId) => keyIds.includes(keyId),
        );
        await recordSealingKey(db, currentKeyId, keyIds.slice(1));
        log.info({ keyId: currentKeyId, resealed, schedules }, 'Credentials and schedules sealed anew');
        await recordAudit(db, {
          actor: principal.actor,
          organizationId: null,
          action: 'maintenance.rotate-keys',
          target: `sealing-key:${currentKeyId}`,
          details: { newKey, resealed },
        });
        const state = await stateOf(parts);
        const message = messageFor({ ...state, newKey, resealed });
        return { status: 200, body: { success: true, newKey, resealed, message, ...state } };
      }),
  }),
];

/** @throws {HttpError} 409 where this process cannot add a key */
function addKey({ keyRing }: ApiParts): string {
  try {
    return keyRing.addKey();
  } catch (cause) {
    if (cause instanceof KeyRingError) throw new HttpError(409, cause.message, { cause });
    throw cause;
  }
}

async function stateOf(parts: ApiParts) {
  const { ring, isFile } = parts.keyRing;
  const { currentKeyId } = ring;
  return { currentKeyId, source: isFile ? 'file' : 'environment', keys: await reportKeys(parts, ring) } as const;
}

type Done = Awaited<ReturnType<typeof stateOf>> & { readonly newKey: boolean; readonly resealed: number };

function messageFor({ currentKeyId, source, newKey, resealed, keys }: Done): string {
  const left = keys.filter(({ use }) => use === 'missing').reduce((sum, { credentials }) => sum + credentials, 0);
  const done = `${resealed} ${resealed === 1 ? 'credential was' : 'credentials were'} sealed anew`;
  if (left > 0) return `${done}; ${left} cannot be opened: their keys are not in the ring`;
  if (newKey) return `The key "${currentKeyId}" was made and seals from now on; ${done}`;
  if (resealed === 0 && source === 'environment') {
    return `Everything is sealed under "${currentKeyId}", the newest key of OUTHAUL_KEYS: to rotate, put a new one there`;
  }
  return `${done} under "${currentKeyId}"`;
}
