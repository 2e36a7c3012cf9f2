import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { FolderBlobs } from '../../../store/blobs/folder-blobs.ts';

/* Puts blobs into a folder, in a process of its own, and says on standard output what came of it, as JSON. */
const [task, folder = '', ...args] = process.argv.slice(2);
const blobs = new FolderBlobs(folder);
const say = (answer: object): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);

const PIECE = 64 * 1024;
function* bytes(size: number): Generator<Buffer> {
  for (let left = size; left > 0; left -= PIECE) yield Buffer.alloc(Math.min(PIECE, left), left % 251);
}

/** The most memory that the work took beyond what there was before. */
async function measured<Result>(work: () => Promise<Result>): Promise<{ result: Result; extraBytes: number }> {
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 5);
  const result = await work();
  clearInterval(timer);
  return { result, extraBytes: Math.max(most, process.memoryUsage.rss()) - before };
}

async function drain(stream: Readable): Promise<number> {
  let size = 0;
  for await (const piece of stream) size += (piece as Buffer).length;
  return size;
}

const tasks: Record<string, () => Promise<void>> = {
  /** The same content again and again. */
  async put() {
    const [size = 0, times = 1] = args.map(Number);
    const refs = new Set<string>();
    for (let time = 0; time < times; time++) refs.add((await blobs.put(Readable.from(bytes(size)))).sha256);
    say({ refs: [...refs] });
  },
  async measure() {
    const [size = 0] = args.map(Number);
    await blobs.put(Readable.from(bytes(PIECE * 8)));
    const put = await measured(() => blobs.put(Readable.from(bytes(size))));
    const { sha256 } = put.result;
    const read = await measured(async () => drain(await blobs.open({ sha256, size })));
    say({ size: put.result.size, read: read.result, putExtra: put.extraBytes, readExtra: read.extraBytes });
  },
  /** Never comes to the end of the stream. */
  async stall() {
    async function* endless(): AsyncGenerator<Buffer> {
      yield randomBytes(PIECE);
      yield randomBytes(PIECE);
      say({ writing: true });
      await new Promise((resolve) => setTimeout(resolve, 600_000));
    }
    await blobs.put(Readable.from(endless()));
  },
  /** More than fits, something that fits, and more again as soon as there is room. */
  async fill() {
    const errorOf = (size: number): Promise<object> =>
      blobs.put(Readable.from(bytes(size))).then(
        () => ({}),
        ({ name, message, trouble }: Error & { trouble?: string }) => ({ name, message, trouble }),
      );
    const full = await errorOf(4_000_000);
    const left = await readdir(`${folder}/incoming`);
    const small = await blobs.put(Readable.from(bytes(500_000)));
    const fullAgain = await errorOf(800_000);
    const aside = await blobs.setAside(small.sha256);
    if (aside) await blobs.discard(aside);
    say({ full, left, fullAgain, recovered: (await blobs.put(Readable.from(bytes(800_000)))).size });
  },
  /** As a user to whom the folder does not belong. */
  async denied() {
    process.setuid?.(Number(args[0]));
    await blobs
      .put(Readable.from(bytes(10)))
      .then(say, ({ name, message, trouble }: Error & { trouble?: string }) => say({ name, message, trouble }));
  },
};

await tasks[task ?? '']?.();
