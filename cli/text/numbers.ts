const COUNT = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `1,234,567` */
export const count = (value: number): string => COUNT.format(value);

/** `1 message`, `2 messages` */
export const counted = (value: number, noun: string, plural = `${noun}s`): string =>
  `${count(value)} ${value === 1 ? noun : plural}`;

/** `8 s`, `3 min 20 s`, `1 h 02 min`, `2 d 3 h` */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours] = [Math.floor(whole / 86_400), Math.floor(whole / 3600) % 24];
  const [minutes, rest] = [Math.floor(whole / 60) % 60, whole % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${String(minutes).padStart(2, '0')} min`;
  if (minutes > 0) return `${minutes} min ${String(rest).padStart(2, '0')} s`;
  return `${rest} s`;
}

/** `0.4 s` below ten seconds, else as `duration` says. */
export const elapsed = (seconds: number): string => (seconds < 10 ? `${seconds.toFixed(1)} s` : duration(seconds));
