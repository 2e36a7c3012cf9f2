import { describe, expect, test } from 'vitest';
import { json, refuse, scripted, type SeenRequest } from './scripted-server.ts';
import { failureOf, open, unhurried } from './support.ts';

interface Plan {
  readonly id: string;
  readonly children?: readonly Plan[];
  readonly extra?: object;
}

/** Serves a folder tree in pages of `$top`, with `$skip` links. */
function treeOf(root: Plan, onRequest: (request: SeenRequest) => void = () => undefined) {
  const byId = new Map<string, Plan>();
  for (const queue = [root]; queue.length > 0;) {
    const plan = queue.pop() as Plan;
    byId.set(plan.id, plan);
    queue.push(...(plan.children ?? []));
  }
  return scripted((request, response) => {
    onRequest(request);
    const url = new URL(request.path, 'http://x');
    const id = /mailFolders\/([^/]+)\/childFolders/.exec(url.pathname)?.[1];
    const plan = id === undefined ? root : byId.get(decodeURIComponent(id));
    if (plan === undefined) return refuse(response, 404, 'ErrorItemNotFound');
    const [top, skip] = ['$top', '$skip'].map((name) => Number(url.searchParams.get(name) ?? 0)) as [number, number];
    const children = plan.children ?? [];
    const more = skip + top < children.length;
    url.searchParams.set('$skip', String(skip + top));
    return json(response, 200, {
      value: children.slice(skip, skip + top).map((child) => ({
        id: child.id,
        displayName: `Folder ${child.id}`,
        parentFolderId: plan.id,
        childFolderCount: child.children?.length ?? 0,
        totalItemCount: 3,
        isHidden: false,
        ...child.extra,
      })),
      ...(more && { '@odata.nextLink': `http://${request.headers['host']}${url.pathname}${url.search}` }),
    });
  });
}

const wide = (count: number, prefix: string): Plan[] =>
  Array.from({ length: count }, (_, index) => ({ id: `${prefix}${index}` }));

function deep(levels: number): Plan {
  let plan: Plan = { id: 'd0' };
  for (let level = 1; level <= levels; level += 1) plan = { id: `d${level}`, children: [plan] };
  return plan;
}

describe('The folder tree', () => {
  test('has every folder once, parents before their children, search folders marked', async () => {
    const search = { id: 's', extra: { '@odata.type': '#microsoft.graph.mailSearchFolder', displayName: null } };
    const root = { id: 'root', children: [{ id: 'a', children: [{ id: 'b/=', children: [{ id: 'c' }] }] }, search] };
    await using server = await treeOf(root);
    await using opened = open(server.url);
    const tree = await opened.graph.mailbox('u').folderTree({}, unhurried());
    expect(tree).toEqual([
      folder('a', 'root', 1),
      { ...folder('s', 'root', 0), displayName: '', isVirtual: true },
      folder('b/=', 'a', 1),
      folder('c', 'b/=', 0),
    ]);
    expect(server.seen).toHaveLength(3);
    expect(server.seen[0]?.path).toMatch(/\/mailFolders\?\$select=[\w,]+&\$top=250$/);
  });

  test('of 5,000 folders side by side and 300 one in another is read, three requests at a time', async () => {
    let underWay = 0;
    let peak = 0;
    const root = {
      id: 'root',
      children: [
        deep(300),
        ...wide(5_000, 'w'),
        { id: 'x', children: wide(600, 'x') },
        { id: 'y', children: wide(600, 'y') },
      ],
    };
    await using server = await treeOf(root, () => {
      underWay += 1;
      peak = Math.max(peak, underWay);
      setImmediate(() => (underWay -= 1));
    });
    await using opened = open(server.url);
    const tree = await opened.graph.mailbox('u').folderTree({}, unhurried());
    expect(new Set(tree.map(({ id }) => id)).size).toBe(301 + 5_000 + 2 + 1_200);
    const position = new Map(tree.map(({ id }, index) => [id, index]));
    for (const [index, { parentFolderId }] of tree.entries()) {
      if (parentFolderId !== 'root') expect(position.get(parentFolderId ?? '')).toBeLessThan(index);
    }
    expect(peak).toBeLessThanOrEqual(3);
  });

  test('keeps apart folders of one name, whatever it is, by their ids', async () => {
    const names = ['Ins/Outs', 'Ins/Outs', '', 'Inbox'];
    await using server = await scripted((_request, response) =>
      json(response, 200, {
        value: names.map((displayName, index) => ({ id: `f${index}`, displayName, parentFolderId: 'root' })),
      }),
    );
    await using opened = open(server.url);
    const tree = await opened.graph.mailbox('u').folderTree({}, unhurried());
    expect(tree.map(({ id, displayName }) => [id, displayName])).toEqual(names.map((name, i) => [`f${i}`, name]));
  });

  test('with hidden folders is asked for below every folder', async () => {
    const root = { id: 'root', children: [{ id: 'a' }, { id: 'b' }] };
    await using server = await treeOf(root);
    await using opened = open(server.url);
    await opened.graph.mailbox('u').folderTree({ includeHidden: true }, unhurried());
    expect(server.seen).toHaveLength(3);
    for (const { path } of server.seen) expect(path).toContain('includeHiddenFolders=true');
  });

  test('whose pages lead in a circle ends with an error', async () => {
    await using server = await scripted(({ headers }, response) =>
      json(response, 200, {
        value: [],
        '@odata.nextLink': `http://${headers['host']}/v1.0/users/u/mailFolders?$skip=10`,
      }),
    );
    await using opened = open(server.url);
    expect(await failureOf(opened.graph.mailbox('u').folderTree({}, unhurried()))).toMatchObject({ code: 'LinkLoop' });
    expect(server.seen).toHaveLength(2);
  });

  test('whose folders lie in a circle has each of them once', async () => {
    await using server = await scripted((_request, response) =>
      json(response, 200, { value: [{ id: 'a', childFolderCount: 1 }] }),
    );
    await using opened = open(server.url);
    expect(await opened.graph.mailbox('u').folderTree({}, unhurried())).toHaveLength(1);
  });

  test('goes on without the children of a folder that was deleted meanwhile', async () => {
    await using server = await scripted((request, response) =>
      request.path.includes('childFolders')
        ? refuse(response, 404, request.path.includes('/gone/') ? 'ErrorItemNotFound' : 'ResourceNotFound')
        : json(response, 200, {
            value: [{ id: 'gone', childFolderCount: 2 }, { id: 'lost', childFolderCount: 2 }, { id: 'b' }],
          }),
    );
    await using opened = open(server.url);
    const tree = await opened.graph.mailbox('u').folderTree({}, unhurried());
    expect(tree.map(({ id }) => id)).toEqual(['gone', 'lost', 'b']);
  });

  test.each([
    [404, 'MailboxNotEnabledForRESTAPI', 'mailbox_missing'],
    [404, 'ErrorItemNotFound', 'mailbox_missing'],
    [403, 'ErrorAccessDenied', 'mailbox_denied'],
  ] as const)('of a mailbox that answers %i %s fails as %s', async (status, code, kind) => {
    await using server = await scripted((_request, response) => refuse(response, status, code));
    await using opened = open(server.url);
    expect(await failureOf(opened.graph.mailbox('u').folderTree({}, unhurried()))).toMatchObject({ kind });
  });
});

describe('A folder', () => {
  test('is found by its id or well-known name', async () => {
    await using server = await scripted((_request, response) =>
      json(response, 200, { id: 'AAMk', displayName: 'Posteingang' }),
    );
    await using opened = open(server.url);
    expect(await opened.graph.mailbox('u').folder('inbox', unhurried())).toEqual({
      ...folder('AAMk', null, 0),
      displayName: 'Posteingang',
      totalItemCount: 0,
    });
    expect(server.seen[0]?.path).toMatch(/\/users\/u\/mailFolders\/inbox\?\$select=/);
  });

  test.each([
    [404, 'ErrorItemNotFound'],
    [404, 'ErrorFolderNotFound'],
    [400, 'ErrorInvalidIdMalformed'],
  ])('that Graph answers with %i %s does not exist', async (status, code) => {
    await using server = await scripted((_request, response) => refuse(response, status, code));
    await using opened = open(server.url);
    expect(await opened.graph.mailbox('u').folder('archive', unhurried())).toBeUndefined();
  });

  test.each(['', '..', "x'; drop table", 'a/b', '\ud800', 'é'.repeat(1_000)])(
    'named %j does not exist',
    async (name) => {
      await using server = await scripted((_request, response) => refuse(response, 400, 'ErrorInvalidIdMalformed'));
      await using opened = open(server.url);
      expect(await opened.graph.mailbox('u').folder(name, unhurried())).toBeUndefined();
      for (const { path } of server.seen) expect(path).toMatch(/^\/v1\.0\/users\/u\/mailFolders\/[^/]+$/);
    },
  );

  test('that some data centres call a missing resource does not exist, if there is an inbox', async () => {
    await using server = await scripted((request, response) =>
      request.path.includes('inbox') ? json(response, 200, { id: 'i' }) : refuse(response, 404, 'ResourceNotFound'),
    );
    await using opened = open(server.url);
    expect(await opened.graph.mailbox('u').folder('clutter', unhurried())).toBeUndefined();
  });

  test.each(['inbox', 'clutter'])('%s of a user without a mailbox says so', async (name) => {
    for (const code of ['ResourceNotFound', 'MailboxNotEnabledForRESTAPI', 'ErrorInvalidUser']) {
      await using server = await scripted((_request, response) => refuse(response, 404, code));
      await using opened = open(server.url);
      expect(await failureOf(opened.graph.mailbox('u').folder(name, unhurried()))).toMatchObject({
        kind: 'mailbox_missing',
      });
    }
  });

  test('inbox that is not found means that there is no mailbox', async () => {
    await using server = await scripted((_request, response) => refuse(response, 404, 'ErrorItemNotFound'));
    await using opened = open(server.url);
    expect(await failureOf(opened.graph.mailbox('u').folder('Inbox', unhurried()))).toMatchObject({
      kind: 'mailbox_missing',
    });
  });
});

function folder(id: string, parentFolderId: string | null, childFolderCount: number) {
  return {
    id,
    displayName: `Folder ${id}`,
    parentFolderId,
    childFolderCount,
    totalItemCount: 3,
    isHidden: false,
    isVirtual: false,
  };
}
