import type { Stage } from './stage.ts';

/** Pages of so many messages that the visible folders of all mailboxes make up. */
export const pagesOf = ({ simulator }: Stage, pageSize: number): number =>
  simulator.control.truth
    .mailboxes()
    .flatMap(({ folders }) =>
      folders.filter(({ isHidden, isSearchFolder, inTree }) => inTree && !isHidden && !isSearchFolder),
    )
    .reduce((pages, { messages }) => pages + Math.max(1, Math.ceil(messages / pageSize)), 0);
