import type { Dispatcher } from 'undici';
import { GraphAnswer, type Step } from '../call.ts';
import { cleanId, exchangeError } from '../errors.ts';
import { graphErrorFrom } from '../refusal.ts';
import { jsonOrNothing } from '../json.ts';
import { receiveBody } from '../receiving.ts';
import { roundTrip, type RoundTripAnswer } from '../round-trip.ts';

export interface TransportOptions {
  readonly dispatcher: Dispatcher;
  readonly origin: string;
  readonly maxBodyBytes: number;
  readonly userAgent: string;
}

/** The last step: sends the request and understands the answer, whose JSON is parsed once, here. */
export function transport({ dispatcher, origin, maxBodyBytes, userAgent }: TransportOptions): Step {
  return async (call) => {
    const { path, method, body, signal } = call;
    const headers = { accept: 'application/json', 'accept-encoding': 'gzip', 'user-agent': userAgent, ...call.headers };
    call.permit?.();
    if (call.receive) return receiveBody(dispatcher, origin, { ...call, headers }, call.receive);
    const most = Math.min(call.maxBodyBytes ?? maxBodyBytes, maxBodyBytes);
    const answer = await roundTrip(dispatcher, { origin, path, method, headers, body, maxBodyBytes: most, signal });
    const { status } = answer;
    const bytes = await answer.takeBody();
    const text = bytes.toString('utf8');
    if (status < 200 || status > 299) {
      throw graphErrorFrom({ status, headers: answer.headers, body: jsonOrNothing(text), target: call.target });
    }
    const content = call.expects === 'text' || status === 204 ? text : parse(text, answer);
    return new GraphAnswer(status, content, bytes.length, isSuspicious(text), call.keepsBody ? bytes : undefined);
  };
}

/** Graph has sent 200 with an error in the middle of a page and the closing brackets missing. */
function parse(text: string, { status, headers }: RoundTripAnswer): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const requestId = cleanId(headers['request-id']);
    throw exchangeError('Truncated', `The answer is not complete JSON (${status})`, { status, requestId });
  }
}

function isSuspicious(text: string): boolean {
  return text.includes('\\u') && /\\u(?:0000|d[89a-f])/i.test(text);
}
