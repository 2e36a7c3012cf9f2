import { z } from 'zod';
import { parsed } from '../control/parsed.ts';
import { ROUTE_KINDS } from '../msgraph/route.ts';
import {
  AADSTS_NUMBERS,
  type ExchangeEffect,
  type FaultEffect,
  type FaultPreset,
  type FaultRule,
  MAILBOX_STATES,
} from './fault-rule.ts';

const count = z.int().min(0);
const part = z.number().min(0).max(1);
const text = z.string().min(1);
const errorStatus = z.int().min(400).max(599);
const kind = z.enum([...ROUTE_KINDS, 'token']);

const EXCHANGE = [
  z.strictObject({
    type: z.literal('status'),
    status: errorStatus,
    code: text.exactOptional(),
    message: z.string().exactOptional(),
    retryAfter: z.union([z.number().min(0), z.strictObject({ date: z.number().min(0) })]).exactOptional(),
    body: z.enum(['json', 'html', 'empty']).exactOptional(),
  }),
  z.strictObject({ type: z.literal('entra'), number: z.literal(AADSTS_NUMBERS) }),
  z.strictObject({ type: z.literal('mailbox'), state: z.enum(MAILBOX_STATES) }),
  z.strictObject({ type: z.literal('revokeTokens') }),
  z.strictObject({ type: z.literal('reset'), moment: z.enum(['before', 'during', 'after']) }),
  z.strictObject({
    type: z.literal('truncate'),
    keep: part.exactOptional(),
    error: z.strictObject({ code: text, message: z.string().exactOptional() }).exactOptional(),
    of: z.enum(['json', 'any']).exactOptional(),
  }),
  z.strictObject({
    type: z.literal('trickle'),
    bytes: count.min(1).exactOptional(),
    every: count.exactOptional(),
  }),
  z.strictObject({ type: z.literal('silence') }),
  z.strictObject({ type: z.literal('delay'), milliseconds: count }),
] as const;

const CONTENT = [
  z.strictObject({
    type: z.literal('expireLinks'),
    code: z.enum(['SyncStateNotFound', 'resyncRequired', 'SyncStateInvalid']).exactOptional(),
    links: z.enum(['next', 'delta']).exactOptional(),
    olderThan: z.number().min(0).exactOptional(),
  }),
  z.strictObject({
    type: z.literal('pageLimit'),
    largest: count,
    status: z.literal([500, 413, 503, 504]).exactOptional(),
  }),
  z.strictObject({
    type: z.literal('poison'),
    members: z.array(text).min(1).exactOptional(),
    where: z.enum(['pages', 'alone', 'everywhere']).exactOptional(),
    status: errorStatus.exactOptional(),
    code: text.exactOptional(),
  }),
  z.strictObject({ type: z.literal('overlap'), messages: count.min(1).exactOptional() }),
  z.strictObject({ type: z.literal('emptyPage') }),
  z.strictObject({ type: z.literal('sameLink') }),
  z.strictObject({ type: z.literal('ignoreTop'), size: count.min(1).max(1_000).exactOptional() }),
  z.strictObject({ type: z.literal('count'), off: z.int() }),
  z.strictObject({ type: z.literal('partial') }),
] as const;

const exchangeEffect: z.ZodType<ExchangeEffect> = z.discriminatedUnion('type', EXCHANGE);

const effect: z.ZodType<FaultEffect> = z.discriminatedUnion('type', [
  ...EXCHANGE,
  ...CONTENT,
  z.strictObject({ type: z.literal('oneOf'), effects: z.array(exchangeEffect).min(1) }),
]);

const scope = {
  mailbox: text.exactOptional(),
  folder: text.exactOptional(),
  kind: z.union([kind, z.array(kind).min(1)]).exactOptional(),
  seed: z.int().exactOptional(),
  rate: part.exactOptional(),
};

const rule: z.ZodType<FaultRule> = z.strictObject({
  ...scope,
  message: text.exactOptional(),
  attachment: text.exactOptional(),
  after: count.exactOptional(),
  times: count.min(1).exactOptional(),
  effect,
});

const preset: z.ZodType<FaultPreset> = z.strictObject({ preset: z.literal('mixed'), ...scope });

/**
 * Reads one rule, several, or a preset from the body of a control request.
 *
 * @throws ControlError 400 that names the member at fault.
 */
export function readFaults(body: unknown): readonly FaultRule[] | FaultPreset {
  if (Array.isArray(body)) return parsed(z.array(rule).min(1), body, 'fault');
  if (typeof body === 'object' && body !== null && 'preset' in body) return parsed(preset, body, 'fault');
  return [parsed(rule, body, 'fault')];
}
