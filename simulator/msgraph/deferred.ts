/** A promise together with what settles it. */
export interface Deferred {
  promise: Promise<void>;
  resolve: () => void;
}

/** Makes a promise that is settled from outside. */
export function deferred(): Deferred {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
