import { execFileSync } from 'node:child_process';
import { send } from '../embedded/guarded-process.ts';

/** Sends a signal to a process and all that descend from it: PostgreSQL's sessions are processes in sessions of their own. */
export function signalTree(pid: number, signal: NodeJS.Signals): void {
  for (const each of treeOf(pid)) send(each, signal);
}

/** The process first, then its descendants. */
function treeOf(root: number): number[] {
  const children = new Map<number, number[]>();
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  for (const line of table.trim().split('\n')) {
    const [pid = 0, parent = 0] = line.trim().split(/\s+/).map(Number);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}
