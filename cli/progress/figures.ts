import type { ScanStateAnswer } from '../api-client.ts';
import { count, counted, duration } from '../text/numbers.ts';

/** What a person wants to know of a scan that runs. */
export interface Figures {
  readonly mailboxesDone: number;
  readonly mailboxes: number;
  readonly messages: number;
  readonly messagesPerSecond: number;
  /** Null while nothing can be said. */
  readonly secondsLeft: number | null;
  /** 0 to 1; undefined while nothing can be said. */
  readonly fraction: number | undefined;
}

type Progress = Pick<ScanStateAnswer, 'mailboxes' | 'recordsExtracted' | 'messagesPerSecond' | 'etaSeconds'>;

/** @param messages how many the scan will find, where that is known beforehand */
export function figuresOf(progress: Progress, messages?: number): Figures {
  const { total, completed, failed, skipped } = progress.mailboxes;
  const figures = {
    mailboxesDone: completed + failed + skipped,
    mailboxes: total,
    messages: progress.recordsExtracted,
    messagesPerSecond: progress.messagesPerSecond,
  };
  return { ...figures, ...outlook(progress, figures.mailboxesDone, messages) };
}

function outlook(
  progress: Progress,
  done: number,
  messages: number | undefined,
): Pick<Figures, 'secondsLeft' | 'fraction'> {
  const { recordsExtracted: stored, messagesPerSecond: rate, etaSeconds } = progress;
  if (messages !== undefined && messages > 0) {
    const left = Math.max(0, messages - stored);
    return { fraction: Math.min(1, stored / messages), secondsLeft: rate > 0 ? left / rate : null };
  }
  if (etaSeconds !== null && rate > 0) {
    return { fraction: stored / (stored + etaSeconds * rate), secondsLeft: etaSeconds };
  }
  const { total } = progress.mailboxes;
  return { fraction: total > 0 ? done / total : undefined, secondsLeft: etaSeconds };
}

/** `12/50 mailboxes, 34,567 messages, 1,234 messages/s, 2 min 03 s left` */
export function figuresLine({ mailboxesDone, mailboxes, messages, messagesPerSecond, secondsLeft }: Figures): string {
  return [
    `${count(mailboxesDone)}/${counted(mailboxes, 'mailbox', 'mailboxes')}`,
    counted(messages, 'message'),
    `${count(messagesPerSecond)} messages/s`,
    ...(secondsLeft === null ? [] : [`${duration(secondsLeft)} left`]),
  ].join(', ');
}

/** `████████░░░░░░░░  50 %`; empty while nothing can be said. */
export function bar(fraction: number | undefined, width: number): string {
  if (fraction === undefined) return '';
  const filled = Math.floor(Math.min(1, Math.max(0, fraction)) * width);
  const percent = String(Math.floor(fraction * 100)).padStart(3);
  return `${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${percent} %`;
}
