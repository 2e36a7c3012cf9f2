import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeApi, runCli, type FakeApi } from './fake-cli.ts';

const key = (keyId: string, more: object = {}) => ({
  keyId,
  use: 'opens',
  credentials: 0,
  schedules: 1,
  runningWorkflows: 2,
  endedWorkflows: 7,
  retiredAt: '2026-11-21T09:00:00.000Z',
  mayBeDropped: false,
  advice: 'Wait.',
  ...more,
});
const newest = key('k2', {
  use: 'seals',
  credentials: 3,
  schedules: 4,
  runningWorkflows: null,
  endedWorkflows: null,
  retiredAt: null,
  advice: 'Seals.',
});

let api: FakeApi;
let asked: string[];
let keys: object[];
beforeEach(async () => {
  asked = [];
  keys = [newest, key('k1')];
  api = await fakeApi((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const ring = { success: true, currentKeyId: 'k2', source: 'file', keys };
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ ...ring, newKey: true, resealed: 3, message: '3 credentials were sealed anew' }));
  });
});
afterEach(() => api.close());

const outhaul = (...args: string[]) => runCli([...args, '--url', api.url, '--data-dir', '/nonexistent']);

describe('outhaul keys rotate', () => {
  it('tells what was done, and what still needs each key', async () => {
    const { code, out, notes } = await outhaul('keys', 'rotate');
    expect(code).toBe(0);
    expect(asked).toEqual(['POST /api/v1/maintenance/rotate-keys']);
    expect(out).toMatch(/^SEALING KEY +USE +CREDENTIALS +SCHEDULES +RUNNING +ENDED$/m);
    expect(out).toMatch(/^k2 +seals +3 +4$/m);
    expect(out).toMatch(/^k1 +opens +0 +1 +2 +7$/m);
    expect(out).toContain('k1: Wait.');
    expect(notes).toContain('3 credentials were sealed anew.');
  });

  it('makes no key where none is asked for', async () => {
    await outhaul('keys', 'rotate', '--reseal-only');
    expect(asked).toEqual(['POST /api/v1/maintenance/rotate-keys?newKey=false']);
  });

  it('is told from the API keys in the help', async () => {
    const { out } = await outhaul('keys', '--help');
    expect(out).toMatch(/API keys:\n +create[^]*Sealing keys:\n +rotate/);
    expect((await outhaul('keys', 'rotate', '--help')).out).toContain('not about API keys');
  });
});

describe('outhaul keys status', () => {
  it('shows the keys, for programs too', async () => {
    expect((await outhaul('keys', 'status')).out).toContain('k2: Seals.');
    expect(JSON.parse((await outhaul('keys', 'status', '--json')).out)).toMatchObject({ currentKeyId: 'k2' });
    expect(asked[0]).toBe('GET /api/v1/maintenance/key-ring');
  });

  it('fails where a key is missing that something is sealed under', async () => {
    keys = [newest, key('lost', { use: 'missing', credentials: 1 })];
    const { code, notes } = await outhaul('keys', 'status');
    expect(code).toBe(1);
    expect(notes).toContain('The key ring lacks "lost", which stored credentials or schedules are sealed under');
    expect(notes).toContain('Put the key back');
  });
});
