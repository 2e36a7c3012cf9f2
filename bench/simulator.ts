import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { fileURLToPath } from 'node:url';
import { controlClient } from '../simulator/control-client.ts';
import type { SimulatorOptions, TruthMailbox } from '../simulator/index.ts';
import { usageOf } from './usage.ts';

export interface SimulatorBenchOptions {
  /** Messages offered and read. Default 1,000,000. */
  messages?: number;
  /** Default 50. */
  mailboxes?: number;
  /** Default 1,000. */
  pageSize?: number;
  /** Connections that read at a time. Default 4. */
  connections?: number;
  /** `$select` of the reader. Default: what a table of mail needs, which makes messages of about 1.5 KB. */
  select?: string;
  /** As in the simulator's options. Default 0: the shortest texts. */
  bodyBytes?: number;
  /** How often everything is read; after the first time, small tenants come out of the page cache. Default 1. */
  times?: number;
}

/** How fast the simulator serves a reader that does not parse. */
export interface SimulatorBench {
  messages: number;
  messagesPerSecond: number;
  megabytesPerSecond: number;
  bytesPerMessage: number;
  /** CPU time of the simulator's process: what it takes from the system under test. */
  cpuMicrosecondsPerMessage: number;
  simulatorPeakRssMb: number;
}

/** What a table of mail needs of a message. */
const TABLE_MEMBERS =
  'id,receivedDateTime,sentDateTime,hasAttachments,internetMessageId,subject,bodyPreview,importance,parentFolderId,' +
  'conversationId,isRead,isDraft,body,sender,from,toRecipients,ccRecipients,bccRecipients,flag,webLink';

interface Target {
  url: string;
  token: string;
  pageSize: number;
  agent: Agent;
}

/**
 * Measures the simulator by itself: it runs in a process of its own, this process reads every folder by delta and counts
 * bytes.
 */
export async function benchSimulator(options: SimulatorBenchOptions = {}): Promise<SimulatorBench> {
  const { messages = 1_000_000, mailboxes = 50, pageSize = 1_000, connections = 4, times = 1 } = options;
  const { select = TABLE_MEMBERS, bodyBytes = 0 } = options;
  const simulator: SimulatorOptions = { tenant: { mailboxes, messages, bodyBytes, specialUsers: false } };
  const child = fork(fileURLToPath(new URL('./simulator-process.js', import.meta.url)), [JSON.stringify(simulator)]);
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  try {
    const [access] = (await once(child, 'message')) as [
      Record<'url' | 'tenantId' | 'clientId' | 'clientSecret', string>,
    ];
    const target: Target = { url: access.url, token: await tokenOf(access), pageSize, agent };
    const query = `?$select=${select}`;
    const folders = await foldersOf(access.url);
    const before = await usageOf(child.pid ?? 0);
    const started = performance.now();
    let bytes = 0;
    for (let time = 0; time < times; time++) bytes += await readAll(target, folders, query, connections);
    const seconds = (performance.now() - started) / 1000;
    const after = await usageOf(child.pid ?? 0);
    const read = messages * times;
    return {
      messages: read,
      messagesPerSecond: Math.round(read / seconds),
      megabytesPerSecond: Math.round(bytes / seconds / 1e6),
      bytesPerMessage: Math.round(bytes / read),
      cpuMicrosecondsPerMessage: Math.round(((after.cpuSeconds - before.cpuSeconds) / read) * 1e8) / 100,
      simulatorPeakRssMb: after.peakRssMb,
    };
  } finally {
    agent.destroy();
    const gone = once(child, 'exit');
    child.disconnect();
    await gone;
  }
}

async function tokenOf(access: Record<'url' | 'tenantId' | 'clientId' | 'clientSecret', string>): Promise<string> {
  const response = await fetch(`${access.url}/${access.tenantId}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: access.clientId,
      client_secret: access.clientSecret,
      grant_type: 'client_credentials',
      scope: 'https://graph.microsoft.com/.default',
    }),
  });
  return ((await response.json()) as { access_token: string }).access_token;
}

/** Paths of the visible folders below `/v1.0`. */
async function foldersOf(url: string): Promise<string[]> {
  const { value } = await controlClient(url)<{ value: TruthMailbox[] }>('GET', '/truth/mailboxes');
  return value.flatMap((mailbox) =>
    mailbox.folders
      .filter(({ inTree, isHidden, isSearchFolder }) => inTree && !isHidden && !isSearchFolder)
      .map((folder) => `/users/${mailbox.id}/mailFolders/${folder.id}/messages/delta`),
  );
}

async function readAll(target: Target, folders: readonly string[], query: string, readers: number): Promise<number> {
  const waiting = folders.values();
  let bytes = 0;
  const reader = async (): Promise<void> => {
    for (const folder of waiting) {
      for (let link: string | undefined = `${target.url}/v1.0${folder}${query}`; link !== undefined;) {
        const page = await readPage(target, link);
        bytes += page.bytes;
        link = page.nextLink;
      }
    }
  };
  await Promise.all(Array.from({ length: readers }, reader));
  return bytes;
}

const NEXT_LINK = /"@odata\.nextLink":"([^"]+)"/;

/** Reads a page and counts its bytes; the next link stands at its head. */
function readPage(target: Target, link: string): Promise<{ bytes: number; nextLink: string | undefined }> {
  const headers = {
    authorization: `Bearer ${target.token}`,
    prefer: `IdType="ImmutableId", odata.maxpagesize=${target.pageSize}`,
  };
  return new Promise((resolve, reject) => {
    get(link, { agent: target.agent, headers }, (response) => {
      let bytes = 0;
      let head = '';
      response.on('data', (chunk: Buffer) => {
        if (head.length < 4_096) head += chunk.toString('latin1', 0, 4_096);
        bytes += chunk.length;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve({ bytes, nextLink: NEXT_LINK.exec(head)?.[1] });
        else reject(new Error(`The simulator answered ${response.statusCode}: ${head}`));
      });
    }).on('error', reject);
  });
}
