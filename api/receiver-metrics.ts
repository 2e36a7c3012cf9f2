import { Counter, type Registry, type RegistryContentType } from 'prom-client';
import type { NotificationFigures } from './notifications/figures.ts';

/** Adds what the receiver of this process counts, of all organizations together. */
export function addReceiverMetrics(
  registry: Registry<RegistryContentType>,
  { refused, ...figures }: NotificationFigures,
): void {
  const counter = (name: string, help: string, labelNames: readonly string[] = []) =>
    new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
  const events = counter('outhaul_receiver_events_total', 'What the receiver of this process has done', ['event']);
  for (const [event, count] of Object.entries(figures)) events.inc({ event: inWords(event) }, count);
  const refusals = counter('outhaul_receiver_refusals_total', 'What it has refused, and why', ['reason']);
  for (const [reason, count] of Object.entries(refused)) refusals.inc({ reason }, count);
}

/** `wakes_failed` */
const inWords = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
