import type { Client } from '@temporalio/client';
import pLimit from 'p-limit';

/** The largest of what Temporal keeps for an organization, of all runs. */
export interface HistoryFigures {
  readonly runs: number;
  /** Events of the longest run, and its workflow type. */
  readonly longest: { readonly events: number; readonly type: string };
  /** Bytes, sealed as they are stored, and where the payload stands. A scan's own state is apart. */
  readonly payload: { readonly bytes: number; readonly where: string };
  /** Bytes of what a scan starts with or continues with. */
  readonly scanState: number;
}

const AT_A_TIME = 8;
const STATE_OF_SCAN = /^scanTenant\.workflowExecution(Started|ContinuedAsNew)EventAttributes\.input/;

/** Reads every history of an organization, once none of its workflows runs any more. */
export async function readHistories(client: Client, organizationId: string): Promise<HistoryFigures> {
  let [runs, scanState] = [0, 0];
  let longest = { events: 0, type: '' };
  let payload = { bytes: 0, where: '' };
  const limit = pLimit(AT_A_TIME);
  const measure = async (workflowId: string, runId: string, type: string): Promise<void> => {
    const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    const count = Number(events?.at(-1)?.eventId ?? 0);
    if (count > longest.events) longest = { events: count, type };
    for (const { bytes, where } of (events ?? []).flatMap((event) => payloadsIn(event, type))) {
      if (STATE_OF_SCAN.test(where)) scanState = Math.max(scanState, bytes);
      else if (bytes > payload.bytes) payload = { bytes, where };
    }
  };
  const measuring: Promise<void>[] = [];
  for await (const { workflowId, runId, type } of client.workflow.list({
    query: `OrganizationId = "${organizationId}"`,
  })) {
    runs += 1;
    measuring.push(limit(() => measure(workflowId, runId, type)));
  }
  await Promise.all(measuring);
  return { runs, longest, payload, scanState };
}

/** The payloads anywhere in an event. */
function payloadsIn(value: unknown, where: string): { bytes: number; where: string }[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [];
  const { data, metadata } = value as { data?: unknown; metadata?: unknown };
  if (data instanceof Uint8Array && metadata) return [{ bytes: data.length, where }];
  return Object.entries(value).flatMap(([name, inner]) =>
    payloadsIn(inner, /^\d+$/.test(name) ? where : `${where}.${name}`),
  );
}
