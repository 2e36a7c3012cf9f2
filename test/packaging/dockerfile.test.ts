import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';

const file = (name: string): URL => new URL(`../../${name}`, import.meta.url);
const text = (name: string): Promise<string> => readFile(file(name), 'utf8');

interface Instruction {
  readonly name: string;
  readonly args: string;
}

/** One instruction a line, continued lines joined, comments left out. */
function instructionsOf(source: string): Instruction[] {
  const lines = source
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n');
  return lines
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', args = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? expect.fail(`not an instruction: ${line}`);
      return { name, args };
    });
}

/** The instructions of each stage, each beginning with its FROM. */
function stagesOf(instructions: readonly Instruction[]): Instruction[][] {
  const stages: Instruction[][] = [];
  for (const instruction of instructions) {
    if (instruction.name === 'FROM') stages.push([]);
    stages.at(-1)?.push(instruction);
  }
  return stages;
}

let build: Instruction[];
let production: Instruction[];

beforeAll(async () => {
  const stages = stagesOf(instructionsOf(await text('Dockerfile')));
  expect(stages).toHaveLength(2);
  [build = [], production = []] = stages;
});

const argsOf = (stage: readonly Instruction[], name: string): string[] =>
  stage.filter((instruction) => instruction.name === name).map(({ args }) => args);

describe('Dockerfile', () => {
  it('starts from one pinned version of Node on Debian, which the package allows', async () => {
    const { engines } = JSON.parse(await text('package.json')) as { engines: { node: string } };
    const [, minimum = ''] = /^>=(\d+)/.exec(engines.node) ?? [];
    const images = [build, production].flatMap((stage) => argsOf(stage, 'FROM'));
    const versions = images.map((image) => /^node:(\d+\.\d+\.\d+)-bookworm(-slim)?( AS \w+)?$/.exec(image)?.[1]);
    expect(new Set(versions).size).toBe(1);
    expect(parseInt(versions[0] ?? '0')).toBeGreaterThanOrEqual(Number(minimum));
  });

  it('installs what the lock file says, builds, and leaves development dependencies behind', () => {
    const commands = argsOf(build, 'RUN').join('\n');
    expect(commands).toMatch(/npm ci[^]*npm run build[^]*npm prune --omit=dev/);
    expect(argsOf(production, 'RUN')).toEqual([]);
  });

  it('copies built files only into the production stage', () => {
    const copies = argsOf(production, 'COPY');
    for (const copy of copies) expect(copy).toMatch(/^--from=build /);
    for (const needed of ['/app/dist', '/app/bin', '/app/node_modules']) {
      expect(copies.some((copy) => copy.split(' ').includes(needed))).toBe(true);
    }
  });

  it('runs as a user who is not root', () => {
    const users = argsOf(production, 'USER');
    expect(users.at(-1)).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  it('runs the command without a shell, so that signals reach it', () => {
    for (const name of ['ENTRYPOINT', 'CMD']) {
      const [args = ''] = argsOf(production, name);
      expect(JSON.parse(args), name).toBeInstanceOf(Array);
    }
    expect(argsOf(production, 'STOPSIGNAL')).toEqual(['SIGTERM']);
    expect(JSON.parse(argsOf(production, 'ENTRYPOINT')[0] ?? '')).toEqual(['node', 'bin/outhaul.js']);
    expect(existsSync(file('bin/outhaul.js'))).toBe(true);
  });

  it('asks the API for its health', () => {
    const [check = ''] = argsOf(production, 'HEALTHCHECK');
    const [, command = ''] = /CMD (\[.*\])$/.exec(check) ?? [];
    const [program, flag, script] = JSON.parse(command) as string[];
    expect([program, flag]).toEqual(['node', '-e']);
    expect(script).toContain('/health');
  });

  it('sets production mode and holds no secret', async () => {
    expect(argsOf(production, 'ENV').join(' ')).toContain('NODE_ENV=production');
    expect(await text('Dockerfile')).not.toMatch(/^(ARG|ENV).*(KEY|SECRET|PASSWORD|TOKEN)/m);
  });
});

describe('.dockerignore', () => {
  it('lets through what the build needs and nothing else', async () => {
    const { include } = JSON.parse(await text('tsconfig.build.json')) as { include: string[] };
    const needed = [
      'package.json',
      'package-lock.json',
      'LICENSE',
      'tsconfig.json',
      'tsconfig.build.json',
      'build.js',
      'bin',
    ];
    const lines = (await text('.dockerignore')).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines[0]).toBe('*');
    expect(lines.slice(1).sort()).toEqual([...needed, ...include].map((name) => `!${name}`).sort());
  });
});
