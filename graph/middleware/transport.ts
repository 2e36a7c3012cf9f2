import type { Dispatcher } from 'undici';
import { GraphAnswer, type Step } from '../call.ts';
import { cleanId, exchangeError, graphErrorFrom } from '../errors.ts';
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
    const answer = await roundTrip(dispatcher, { origin, path, method, headers, body, maxBodyBytes, signal });
    if (answer.status < 200 || answer.status > 299) {
      const { status, headers: received } = answer;
      throw graphErrorFrom({ status, headers: received, body: jsonOrNothing(answer), target: call.target });
    }
    const text = answer.bytes.toString('utf8');
    const content = call.expects === 'text' || text === '' ? text : parse(text, answer);
    return new GraphAnswer(answer.status, content, answer.bytes.length, isSuspicious(text));
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

function jsonOrNothing({ bytes }: RoundTripAnswer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

function isSuspicious(text: string): boolean {
  return text.includes('\\u') && /\\u(?:0000|d[89a-f])/i.test(text);
}
