import type { Stats, TruthMailbox } from '../simulator/index.ts';
import { nameTenant, startTenant, type Tenant } from '../cli/demo/tenant.ts';
import type { DataFolder } from '../embedded/data-folder.ts';
import type { GraphFault } from './plan.ts';
import { randomFrom } from './random.ts';

/** How large the tenant is. */
export interface TenantSize {
  readonly mailboxes: number;
  /** In all mailboxes together. */
  readonly messages: number;
  readonly seed: number;
}

export interface SimulatedTenant extends Tenant {
  stats(): Promise<Stats>;
  /** Makes the next requests for messages fail. */
  fail(fault: GraphFault): Promise<void>;
  /** Ends every fault. */
  calm(): Promise<void>;
  /** Changes mail, so many messages, chosen by the seed. */
  change(kind: 'arrive' | 'move' | 'vanish', messages: number, seed: number): Promise<void>;
  stop(): Promise<void>;
  end(): void;
}

/** Before each answer, so that requests take time as they do in Graph, and there are some to be caught in flight. */
const LATENCY_MS = 40;

/** Starts a simulated tenant in a process of its own. */
export async function openSimulator(
  { mailboxes, messages, seed }: TenantSize,
  options: {
    readonly folder: DataFolder;
    readonly env: NodeJS.ProcessEnv;
    readonly say: (line: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<SimulatedTenant> {
  const tenant = await nameTenant();
  const service = await startTenant(tenant, { mailboxes, messages, seed, latency: LATENCY_MS }, options);
  const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const response = await fetch(`${tenant.url}/_sim${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`The simulator answered ${response.status} to ${method} ${path}: ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  };
  return {
    ...tenant,
    stats: () => call('GET', '/stats'),
    fail: ({ times, status, retryAfterSeconds }) =>
      call('POST', '/faults', {
        kind: 'messagesDelta',
        times,
        effect: { type: 'status', status, ...(retryAfterSeconds && { retryAfter: retryAfterSeconds }) },
      }),
    calm: () => call('DELETE', '/faults'),
    change: (kind, count, changeSeed) => change(call, kind, count, changeSeed),
    stop: service.stop,
    end: () => service.kill('SIGKILL'),
  };
}

type Call = <T>(method: string, path: string, body?: object) => Promise<T>;

async function change(call: Call, kind: 'arrive' | 'move' | 'vanish', count: number, seed: number): Promise<void> {
  const random = randomFrom(seed);
  const { value: all } = await call<{ value: TruthMailbox[] }>('GET', '/truth/mailboxes');
  const mailboxes = all.filter(({ readable }) => readable);
  for (let done = 0; done < count; done++) {
    const { id: mailbox, folders } = random.of(mailboxes);
    const visible = folders.filter(({ isHidden, inTree, isSearchFolder }) => inTree && !isHidden && !isSearchFolder);
    if (kind === 'arrive') {
      await call('POST', '/messages', {
        mailbox,
        folder: random.of(visible).id,
        message: { subject: `Tide ${seed} ${done}` },
      });
      continue;
    }
    const full = visible.filter(({ messages }) => messages > 0);
    if (full.length === 0) continue;
    const from = random.of(full);
    const page = await call<{ value: { message: { id: string } }[] }>(
      'GET',
      `/truth/messages?mailbox=${mailbox}&folder=${encodeURIComponent(from.id)}&limit=1`,
    );
    const id = page.value[0]?.message.id;
    if (id === undefined) continue;
    if (kind === 'vanish') await call('DELETE', '/messages', { mailbox, id });
    else await call('POST', '/messages/move', { mailbox, id, folder: random.of(visible).id });
  }
}
