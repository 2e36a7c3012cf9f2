import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openUtility } from '../../destinations/utility.ts';
import type { Item, Outcome } from '../../destinations/sender.ts';
import { Answers } from '../../examples/utility/answers.ts';
import { emailSchema, type Email } from '../../examples/utility/email.ts';
import { startUtility, type RunningUtility } from '../../examples/utility/main.ts';
import { TryAgain, type Result } from '../../examples/utility/process.ts';
import { readSettings, SettingsError } from '../../examples/utility/settings.ts';
import { signatureFault } from '../../examples/utility/signature.ts';
import { toUtilityPayload } from '../../model/utility-payload.ts';
import { attachment, calm, item, message, outcomesOf, stream } from '../destinations/support/items.ts';

const TOKEN = 'the-token-of-this-utility';
const KEY = randomBytes(32);
const SIGNING_KEY = `whsec_${KEY.toString('base64')}`;
const running: RunningUtility[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((utility) => utility.stop()));
});

interface Started {
  readonly utility: RunningUtility;
  readonly seen: Email[];
}

/** @param work what is done with each message, beside noting it */
async function start(
  work: (email: Email, signal: AbortSignal) => Promise<Result> = async () => ({ status: 'success' }),
  env: Record<string, string> = {},
): Promise<Started> {
  const seen: Email[] = [];
  const settings = readSettings({ UTILITY_TOKEN: TOKEN, SIGNING_KEY, ...env });
  const utility = await startUtility({ ...settings, port: 0 }, pino({ level: 'silent' }), {
    process: (email, signal) => {
      seen.push(email);
      return work(email, signal);
    },
  });
  running.push(utility);
  return { utility, seen };
}

const payload = (): object => toUtilityPayload(message(), []);

/** A request as the product signs it, altered as a test says. */
async function post(
  { url }: RunningUtility,
  { body = payload(), ...headers }: { readonly body?: unknown } & Record<string, unknown> = {},
): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const id = typeof headers['webhook-id'] === 'string' ? headers['webhook-id'] : randomUUID();
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = createHmac('sha256', KEY).update(`${id}.${timestamp}.${text}`).digest('base64');
  const all = {
    authorization: `Bearer ${TOKEN}`,
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
    ...headers,
  };
  const given = Object.entries(all).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return fetch(`${url}/process`, { method: 'POST', headers: given, body: text });
}

async function send({ url }: RunningUtility, one: Item): Promise<Outcome | undefined> {
  const endpoint = { endpoint: url, token: TOKEN, signingKey: SIGNING_KEY, allowPrivate: true };
  const sender = openUtility(endpoint);
  try {
    const { outcomes, thrown } = await outcomesOf(sender.send(stream(one), calm()));
    if (thrown !== undefined) throw thrown;
    return outcomes[0];
  } finally {
    await sender.close();
  }
}

const health = async ({ url }: RunningUtility): Promise<Record<string, unknown>> =>
  (await (await fetch(`${url}/health`)).json()) as Record<string, unknown>;

describe('the example of a utility', () => {
  it('takes what Outhaul sends: exactly the fields of its document', async () => {
    const { utility, seen } = await start();
    const pdf = attachment('%PDF-1.4 and so on');
    const told = message({}, { attachments: [pdf.metadata] });
    expect(await send(utility, item(1, { message: told, attachments: [pdf] }))).toEqual({
      deliveryNo: 1,
      status: 'accepted',
    });
    const content = Buffer.from('%PDF-1.4 and so on').toString('base64');
    expect(seen).toEqual([toUtilityPayload(told, [{ metadata: pdf.metadata, content }])]);
    expect(Object.keys(seen[0]!).sort()).toEqual(Object.keys(emailSchema.shape).sort());
  });

  it('takes a message of which nothing is known', async () => {
    const { utility, seen } = await start();
    const nothing = Object.fromEntries(Object.keys(message().email).map((name) => [name, null]));
    const bare = message({ ...nothing, id: 'bare' }, { mailbox: '', folder: '' });
    expect(await send(utility, item(1, { message: bare }))).toMatchObject({ status: 'accepted' });
    expect(seen).toEqual([toUtilityPayload(bare, [])]);
  });

  it.each([
    ['no token', { authorization: undefined }],
    ['the token of another', { authorization: 'Bearer the-token-of-another-one' }],
    ['no signature', { 'webhook-signature': undefined }],
    ['the signature of another key', { 'webhook-signature': `v1,${randomBytes(32).toString('base64')}` }],
    ['a recorded signature', { 'webhook-timestamp': '1700000000' }],
    ['a time that is none', { 'webhook-timestamp': 'now' }],
  ])('answers 401 to %s', async (_, headers) => {
    const { utility, seen } = await start();
    const answer = await post(utility, headers);
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ status: 'error' });
    expect(seen).toEqual([]);
  });

  it.each([
    ['a field that is missing', { ...payload(), subject: undefined }, /subject/],
    ['a field of another type', { ...payload(), to_recipients: 'a@example.com' }, /to_recipients/],
    ['a time in another form', { ...payload(), received_datetime: '2025-12-23T09:45:12Z' }, /received_datetime/],
    ['what is no object', '[]', /The body/],
    ['what is not JSON', '{"message_id": ', /JSON/],
  ])('answers 400 to %s', async (_, body, words) => {
    const { utility } = await start();
    const answer = await post(utility, { body });
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { message: string }).message).toMatch(words);
  });

  it('answers 413 to a body that is larger than its limit, and 415 to a compressed one', async () => {
    const { utility } = await start(undefined, { MAX_BODY_MB: '1' });
    const large = await post(utility, { body: { ...payload(), body_content: 'x'.repeat(1_100_000) } });
    expect(large.status).toBe(413);
    expect((await post(utility, { 'content-encoding': 'gzip' })).status).toBe(415);
  });

  it('answers the same key alike, and works once, be the first request still under way', async () => {
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const { utility, seen } = await start(async () => {
      await finished;
      return { status: 'success', result: { no: seen.length } };
    });
    const both = Promise.all([1, 2].map(() => post(utility, { 'webhook-id': 'one' })));
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    finish();
    const third = await both.then(() => post(utility, { 'webhook-id': 'one' }));
    for (const answer of [...(await both), third]) {
      expect(await answer.json()).toEqual({ status: 'success', result: { no: 1 } });
    }
    expect(seen).toHaveLength(1);
  });

  it('asks to try again where something is away, and works on it anew then', async () => {
    const failures = [new TryAgain('The database is away'), new Error('secret words')];
    const { utility } = await start(async () => {
      const failure = failures.shift();
      if (failure) throw failure;
      return { status: 'success' };
    });
    const answers = [];
    for (let time = 0; time < 3; time++) answers.push(await post(utility, { 'webhook-id': 'one' }));
    expect(answers.map(({ status }) => status)).toEqual([503, 500, 200]);
    expect(await answers[0]!.json()).toMatchObject({ status: 'error', message: 'The database is away' });
    expect(JSON.stringify(await answers[1]!.json())).not.toContain('secret');
  });

  it('may take a message and say that something is wrong with it, which Outhaul keeps', async () => {
    const result = { status: 'error', error_type: 'no_invoice', message: 'No invoice number in it' } as const;
    const { utility } = await start(async () => result);
    expect(await send(utility, item(1))).toMatchObject({ status: 'accepted', note: 'No invoice number in it' });
  });

  it('tells how it is and what it has done', async () => {
    const { utility } = await start(async ({ subject }) => {
      if (subject === 'broken') throw new Error('broken');
      return { status: 'success' };
    });
    await post(utility);
    await post(utility, { body: { ...payload(), subject: 'broken' } });
    await post(utility, { authorization: 'none' });
    const metrics = { requests_total: 3, requests_success: 1, requests_error: 2 };
    await vi.waitFor(async () => expect(await health(utility)).toMatchObject({ status: 'healthy', metrics }));
    const text = await (await fetch(`${utility.url}/metrics`)).text();
    for (const outcome of ['success', 'error', 'refused']) {
      expect(text).toContain(`utility_requests_total{outcome="${outcome}"} 1`);
    }
    expect(text).toContain('utility_requests_under_way 0');
  });

  it('finishes what is under way before it ends', async () => {
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const { utility, seen } = await start(async () => {
      await finished;
      return { status: 'success' };
    });
    const answer = post(utility);
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    const stopped = utility.stop();
    finish();
    expect((await answer).status).toBe(200);
    await stopped;
    await expect(post(utility)).rejects.toThrow();
    running.splice(0);
  });

  it('gives its work a time, and ends it then', async () => {
    const wait = (_: Email, signal: AbortSignal): Promise<Result> =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new TryAgain('It took too long')));
      });
    const { utility } = await start(wait, { PROCESS_SECONDS: '1' });
    expect((await post(utility)).status).toBe(503);
  });
});

describe('its settings', () => {
  it.each([
    [{}, /UTILITY_TOKEN/],
    [{ UTILITY_TOKEN: 'short' }, /UTILITY_TOKEN/],
    [{ UTILITY_TOKEN: TOKEN, SIGNING_KEY: 'secret' }, /SIGNING_KEY/],
    [{ UTILITY_TOKEN: TOKEN, PORT: '70000' }, /PORT must be a whole number/],
    [{ UTILITY_TOKEN: TOKEN, MAX_BODY_MB: 'much' }, /MAX_BODY_MB/],
    [{ UTILITY_TOKEN: TOKEN, LOG_LEVEL: 'loud' }, /LOG_LEVEL/],
  ])('%j are refused with what is to be done', (env, words) => {
    expect(() => readSettings(env)).toThrow(SettingsError);
    expect(() => readSettings(env)).toThrow(words);
  });

  it('need a token only', () => {
    expect(readSettings({ UTILITY_TOKEN: TOKEN })).toMatchObject({ port: 8000, signingKey: undefined });
  });
});

it('checks signatures as Standard Webhooks are signed', () => {
  const request = {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestamp: '1614265330',
    signature: 'v1a,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    body: Buffer.from('{"test": 2432232314}'),
  };
  const key = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const at = new Date(1614265330_000);
  expect(signatureFault(request, key, at)).toBeUndefined();
  expect(signatureFault({ ...request, body: Buffer.from('{"test": 1}') }, key, at)).toMatch(/does not match/);
  expect(signatureFault(request, key, new Date(at.getTime() + 301_000))).toMatch(/too old/);
});

it('keeps so many answers, the newest', async () => {
  const answers = new Answers(2);
  let worked = 0;
  const work = async (): Promise<{ status: number; body: object }> => ({ status: 200, body: { no: ++worked } });
  for (const key of ['a', 'b', 'c', 'c', 'a']) await answers.once(key, work);
  expect([answers.size, worked]).toEqual([2, 4]);
});

it('asks for the versions of libraries that the repository is tested with', async () => {
  const dependenciesOf = async (path: string): Promise<Record<string, string>> => {
    const { dependencies, devDependencies } = JSON.parse(await readFile(path, 'utf8')) as Record<string, object>;
    return { ...dependencies, ...devDependencies };
  };
  const ours = await dependenciesOf('package.json');
  const its = await dependenciesOf('examples/utility/package.json');
  expect(ours).toMatchObject(its);
});
