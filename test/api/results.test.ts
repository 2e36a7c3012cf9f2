import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seedScan, type SeededScan } from './support/seed.ts';
import { listOf, openApiStage, textOf, type ApiStage } from './support/stage.ts';

describe('the results of a scan', () => {
  let stage: ApiStage;
  let seeded: SeededScan;
  beforeAll(async () => {
    stage = await openApiStage();
    const organizationId = stage.organization();
    seeded = await seedScan(stage.db, { organizationId, scanId: 'seeded', mailboxes: 3, messages: 25 });
  });
  afterAll(() => stage.close());

  const rows = (query: string) => stage.call('GET', `/api/v1/results/seeded/data?${query}`);

  it('are listed by table, with rows and columns', async () => {
    const { status, body } = await stage.call('GET', '/api/v1/results/seeded/tables');
    expect(status).toBe(200);
    const tables = listOf(body['data']!['tables']);
    expect(tables.map(({ name, rowCount }) => [name, rowCount])).toEqual([
      ['mailboxes', 3],
      ['mail_folders', 1],
      ['emails', 25],
      ['attachments', 0],
      ['originals', 0],
    ]);
    const columns = tables.find(({ name }) => textOf(name) === 'emails')!['columns'];
    expect(columns).toEqual(
      expect.arrayContaining([
        'id',
        'subject',
        'sender_address',
        'to_recipients',
        'body_content',
        '_scan_id',
        '_folder',
      ]),
    );
  });

  it('have columns in snake_case, as in the table', async () => {
    const { body } = await rows('tableName=emails&limit=1');
    expect(listOf(body['data']!['records'])[0]).toMatchObject({
      subject: expect.stringMatching(/^Subject/) as string,
      from_address: 'sender@fabrikam.example',
      to_recipients: [{ address: 'user-0@contoso.example', name: 'user-0' }],
      received_date_time: expect.stringMatching(/^2026-11-01T10:00:00/) as string,
      body_content_type: 'text',
      has_attachments: false,
      _scan_id: 'seeded',
    });
  });

  it('come a hundred at a time unless told otherwise', async () => {
    const { body } = await rows('tableName=emails');
    expect(body['data']).toMatchObject({
      tableName: 'emails',
      pagination: { limit: 100, offset: 0, total: 25, hasMore: false, nextCursor: null },
    });
    expect(body['data']!['records']).toHaveLength(25);
  });

  it('are the same page by page, by offset or by cursor: each once, in one order', async () => {
    const whole = listOf((await rows('tableName=emails&limit=1000')).body['data']!['records']).map(({ id }) => id);
    expect(new Set(whole)).toEqual(new Set(seeded.messageIds));
    const byOffset: unknown[] = [];
    for (let offset = 0; offset < 25; offset += 10) {
      const { data } = (await rows(`tableName=emails&limit=10&offset=${offset}`)).body;
      byOffset.push(...listOf(data!['records']).map(({ id }) => id));
      expect(data!['pagination']).toMatchObject({ offset, hasMore: offset < 20 });
    }
    expect(byOffset).toEqual(whole);
    const byCursor: unknown[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const { data } = (await rows(`tableName=emails&limit=10${query}`)).body;
      byCursor.push(...listOf(data!['records']).map(({ id }) => id));
      cursor = data!['pagination']!['nextCursor'] as unknown as string | null;
    }
    expect(byCursor).toEqual(whole);
  });

  it('are empty behind the end', async () => {
    const { status, body } = await rows('tableName=emails&offset=1000');
    expect(status).toBe(200);
    expect(body['data']).toMatchObject({ records: [], pagination: { total: 25, hasMore: false } });
  });

  it.each(['abc', "' OR 1=1 --", '9'.repeat(1000), '%00'])(
    'refuse a cursor that they did not give: %s',
    async (cursor) => {
      const { status, body } = await rows(`tableName=emails&cursor=${encodeURIComponent(cursor)}`);
      expect(status).toBe(400);
      expect(body['details']).toEqual([expect.objectContaining({ path: 'cursor' })]);
    },
  );

  it('are exactly the rows that this scan saw', async () => {
    const { organizationId } = seeded;
    await seedScan(stage.db, { organizationId, scanId: 'other', mailboxes: 1, messages: 5 });
    const { body } = await rows('tableName=emails&limit=1000');
    expect(new Set(listOf(body['data']!['records']).map(({ id }) => id))).toEqual(new Set(seeded.messageIds));
    const other = await stage.call('GET', '/api/v1/results/other/data?tableName=emails');
    expect(other.body['data']!['pagination']).toMatchObject({ total: 5 });
  });

  it('of a scan that is not there answer 404', async () => {
    expect((await stage.call('GET', '/api/v1/results/not-there/tables')).status).toBe(404);
    expect((await stage.call('GET', '/api/v1/results/not-there/data?tableName=emails')).status).toBe(404);
  });
});
