/** What a run was started with, as far as it makes another run of the same faults. */
export interface RunSize {
  readonly minutes: number;
  readonly seed: number;
  readonly workers: number;
  readonly mailboxes: number;
  readonly messages: number;
  readonly live?: boolean;
  readonly deliver?: boolean;
  readonly temporalOnPostgres?: string;
}

/** The command that does the same again, defaults written out: they may be others one day. */
export function commandOf(size: RunSize): string {
  const { live, deliver, temporalOnPostgres, minutes, seed, workers, mailboxes, messages } = size;
  const numbers = Object.entries({ minutes, seed, workers, mailboxes, messages });
  return [
    'npm run chaos --',
    ...numbers.map(([name, value]) => `--${name} ${value}`),
    ...(live ? ['--live'] : []),
    ...(deliver ? ['--deliver'] : []),
    ...(temporalOnPostgres === undefined ? [] : [`--temporal-on-postgres ${quoted(temporalOnPostgres)}`]),
  ].join(' ');
}

/** As one word of a shell. */
const quoted = (text: string): string => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
