import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import type { Cli } from '../../cli/cli.ts';
import { listenForInterrupts } from '../../cli/interrupts.ts';
import { Output } from '../../cli/output.ts';
import { run } from '../../cli/program.ts';

/** A stream that keeps what is written to it; with a width it is a terminal. */
export class Captured extends Writable {
  text = '';
  readonly isTTY: boolean;
  readonly columns: number | undefined;

  constructor(columns?: number) {
    super({ decodeStrings: false });
    this.isTTY = columns !== undefined;
    this.columns = columns;
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.text += chunk;
    done();
  }
}

export interface FakeCli extends Cli {
  readonly outText: () => string;
  readonly notesText: () => string;
  /** Where signals arrive. */
  readonly process: EventEmitter;
}

/** A command's world without a process. The environment holds nothing but what is given, and no home. */
export function fakeCli(options: { env?: NodeJS.ProcessEnv; stdin?: string; columns?: number } = {}): FakeCli {
  const { env = {}, stdin = '', columns } = options;
  const [out, notes, source] = [new Captured(columns), new Captured(columns), new EventEmitter()];
  const input = new PassThrough();
  input.end(stdin);
  const world = { HOME: '/nonexistent', ...env };
  return {
    env: world,
    stdin: input,
    out: new Output(out, world),
    notes: new Output(notes, world),
    interrupts: listenForInterrupts({ source, exit: () => undefined }),
    exitCode: 0,
    outText: () => out.text,
    notesText: () => notes.text,
    process: source,
  };
}

export interface RunResult {
  readonly code: number;
  readonly out: string;
  readonly notes: string;
}

/** Runs one command line as `outhaul` would. */
export async function runCli(args: readonly string[], options: Parameters<typeof fakeCli>[0] = {}): Promise<RunResult> {
  const cli = fakeCli(options);
  const code = await run(args, cli);
  return { code, out: cli.outText(), notes: cli.notesText() };
}

export interface FakeApi {
  readonly url: string;
  readonly server: Server;
  readonly close: () => Promise<void>;
}

/** An HTTP server in the place of the API. */
export async function fakeApi(listener: RequestListener): Promise<FakeApi> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    server,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
