import { afterEach, describe, expect, it } from 'vitest';
import { startApi } from '../../api/main.ts';
import { loadConfig } from '../../config/config.ts';
import { createLogger } from '../../config/logging.ts';
import { withDefaults } from '../../model/destination.ts';
import { query } from '../../store/database.ts';
import { changeDestination, createDestination, listDestinations, loadDestination } from '../../store/destinations.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { openApiStage, type ApiStage } from './support/stage.ts';

const REDIS = {
  REDIS_HOST: 'localhost',
  REDIS_PASSWORD: 'hidden-word',
  MAX_QUEUE_SIZE: '500',
  EMAIL_GROUPS: 'Company.com,partner.org',
};

describe('destinations that the environment describes', () => {
  let stage: ApiStage;
  afterEach(() => stage?.close());

  /** Starts the API of the same installation once more, with another environment, and returns what it logged. */
  async function restarted(over: Record<string, string>): Promise<string[]> {
    const { config } = loadConfig({ ...stage.environment, ...over });
    const lines: string[] = [];
    const log = createLogger(config.log, { process: 'api' }, { write: (line) => void lines.push(line) });
    const api = await startApi({ config, log, taskQueuePrefix: stage.taskQueuePrefix });
    await api.close();
    return lines;
  }
  const destinations = () => listDestinations(stage.db, null);
  const passwordOf = async (id: string) => (await loadDestination(stage.db, id))?.secret.password;

  it('come to be with the first organization, and once', async () => {
    const folder = { ATTACHMENTS_DIR: '/srv/attachments', FILE_TYPES: '.pdf', MAX_ATTACHMENT_SIZE: '1000' };
    stage = await openApiStage({ environment: { ...REDIS, ...folder } });
    expect(await destinations()).toEqual([]);
    const [first, second] = [stage.organization(), stage.organization()];
    await stage.keyOf(first);
    await stage.keyOf(second);
    const filters = {
      sender: ['company.com', 'partner.org'],
      attachmentType: ['.pdf'],
      maxAttachmentBytes: 1000,
    };
    expect(await destinations()).toMatchObject([
      {
        organizationId: first,
        name: 'redis-queue',
        kind: 'redis_list',
        starts: 'now',
        settings: { url: 'redis://localhost:6379/0', list: 'email_attachments', maxLength: 500, filters },
      },
      {
        organizationId: first,
        name: 'attachments-folder',
        kind: 'folder',
        settings: { directory: '/srv/attachments', filters },
      },
    ]);
    const [redis] = await destinations();
    expect(await passwordOf(redis?.id ?? '')).toBe('hidden-word');
    const audit = await query<{ actor: string; target: string }>(stage.db, {
      text: `SELECT actor, target FROM outhaul.audit_log WHERE action = 'destination.create' ORDER BY entry_no`,
    });
    expect(audit).toEqual((await destinations()).map(({ id }) => ({ actor: 'environment', target: id })));
    expect(stage.lines.join('')).not.toMatch(/hidden-word|company\.com/);
  });

  it('are changed when the environment was, and keep what was set beside it', async () => {
    stage = await openApiStage({ environment: REDIS });
    await stage.keyOf(stage.organization());
    const [made] = await destinations();
    if (made?.kind !== 'redis_list') expect.fail('there is no Redis list');
    const { settings } = made;
    const filters = { ...settings.filters, hasAttachments: true };
    await changeDestination(stage.db, made, { settings: { ...settings, attempts: 9, filters } });

    expect((await restarted({})).join('')).not.toContain('Destination changed');
    const lines = await restarted({ EMAIL_GROUPS: '', FILE_TYPES: 'image/*', REDIS_PASSWORD: 'second', REDIS_DB: '4' });
    expect(lines.join('')).toContain('Destination changed as the environment was');
    const [changed, ...others] = await destinations();
    expect(others).toEqual([]);
    expect(changed).toMatchObject({
      id: made.id,
      settings: { url: 'redis://localhost:6379/4', attempts: 9, allowPrivate: true },
    });
    expect(changed?.settings.filters).toEqual({ attachmentType: ['image/*'], hasAttachments: true });
    expect(await passwordOf(made.id)).toBe('second');

    await restarted({ REDIS_PASSWORD: '' });
    expect((await destinations())[0]?.hasSecret).toBe(false);
  });

  it('stay where they are when the environment has them no more', async () => {
    stage = await openApiStage({ environment: REDIS });
    await stage.keyOf(stage.organization());
    const before = await destinations();
    await restarted({ USE_REDIS_QUEUE: 'false' });
    expect(await destinations()).toEqual(before);
  });

  it('are not made while there are several organizations, and whoever starts the API is told', async () => {
    stage = await openApiStage();
    const organizations = [stage.organization(), stage.organization()];
    for (const organization of organizations) await stage.keyOf(organization);
    const warned = (await restarted(REDIS)).find((line) => line.includes('several organizations'));
    expect(warned).toContain('redis-queue');
    expect(await destinations()).toEqual([]);

    // One that somebody makes for one of them is the environment's from then on.
    const [, owner = ''] = organizations;
    const made = await createDestination(stage.db, await ensureOrganization(stage.db, owner), {
      name: 'redis-queue',
      kind: 'redis_list',
      settings: {
        ...{ url: 'redis://elsewhere:6379/0', list: 'other', maxLength: 1, allowPrivate: true, filters: {} },
        ...{ attempts: 3, maxWaitSeconds: 60 },
      },
      starts: 'now',
    });
    expect((await restarted(REDIS)).join('')).not.toContain('several organizations');
    expect(await destinations()).toMatchObject([
      { id: made.id, organizationId: owner, settings: { url: 'redis://localhost:6379/0', maxLength: 500 } },
    ]);
  });

  it('are not made where another kind of destination has the name, and whoever starts the API is told', async () => {
    stage = await openApiStage();
    const organizationId = stage.organization();
    await stage.keyOf(organizationId);
    const made = await createDestination(stage.db, await ensureOrganization(stage.db, organizationId), {
      ...{ name: 'redis-queue', kind: 'utility', starts: 'now' },
      settings: withDefaults('utility', { endpoint: 'https://utility.example' }),
    });
    const warned = (await restarted(REDIS)).find((line) => line.includes('another kind'));
    expect(warned).toContain('redis-queue');
    expect(await destinations()).toMatchObject([{ id: made.id, kind: 'utility' }]);
  });
});
