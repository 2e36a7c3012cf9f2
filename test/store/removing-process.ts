import type { AsideBlob } from '../../store/blobs/blob-store.ts';
import { FolderBlobs } from '../../store/blobs/folder-blobs.ts';
import { openDatabase } from '../../store/database.ts';
import { removeUnreferenced } from '../../store/blob-rows.ts';

/* Removes unreferenced blobs in a process of its own, and waits for its end in the middle of it. */
const [step, url = '', root = '', schema = ''] = process.argv.slice(2);
const stay = (): Promise<never> => {
  process.stdout.write(`${step}\n`);
  return new Promise(() => setInterval(() => undefined, 60_000));
};

class StoppingBlobs extends FolderBlobs {
  override async setAside(sha256: string): Promise<AsideBlob | undefined> {
    const aside = await super.setAside(sha256);
    return step === 'aside' ? stay() : aside;
  }
  override async discard(aside: AsideBlob): Promise<void> {
    return step === 'discard' ? stay() : super.discard(aside);
  }
}

const nothing = (): undefined => undefined;
const log = { info: nothing, warn: nothing, error: nothing };
const sealer = { seal: () => '', open: () => '' } as never;
const db = openDatabase({ url, sealer, log });
await removeUnreferenced(db, { organizationId: 'o', schema }, new StoppingBlobs(root), { graceMs: 0 });
