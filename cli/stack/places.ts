/** Where to look: one line for each place that exists, under one another. */
export const places = (where: Readonly<Record<string, string | undefined>>): string[] =>
  Object.entries(where).flatMap(([name, place]) => (place === undefined ? [] : [`  ${name.padEnd(15)} ${place}`]));
