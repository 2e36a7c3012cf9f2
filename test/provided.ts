declare module 'vitest' {
  /** What `global-setup.ts` gives to every test file, by `inject`. */
  export interface ProvidedContext {
    /** Of a superuser, in the database `outhaul`; tests make their own databases from it (`support/database.ts`). */
    postgresUrl: string;
    /** As in `127.0.0.1:7233`. */
    temporalAddress: string;
    temporalNamespace: string;
    /** File of the bundled workflows, as they are in the tree now. */
    workflowBundlePath: string;
    /** Where tests may keep blobs, each below a name of its own; it goes with the run. */
    blobsFolder: string;
  }
}

export {};
