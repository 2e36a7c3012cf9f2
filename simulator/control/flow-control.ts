import { ControlError } from './control-error.ts';
import { Flow, type FlowReport } from './flow.ts';
import type { FlowOptions } from './flow-plan.ts';
import type { Places } from './places.ts';

/** Lets mail flow: one flow at a time. */
export class FlowControl {
  readonly #places: Places;
  #flow: Flow | undefined;

  constructor(places: Places) {
    this.#places = places;
  }

  /** @throws ControlError 409 where a flow is running already. */
  start(options: FlowOptions): FlowReport {
    if (this.#flow?.report().isRunning) throw new ControlError(409, 'A flow is running: end it first.');
    const { mailboxes } = options;
    const chosen =
      typeof mailboxes === 'object'
        ? mailboxes.map((key) => this.#places.mailbox(key))
        : this.#places.mailboxes(mailboxes);
    this.#flow = new Flow(chosen, options);
    return this.#flow.report();
  }

  /** What the latest flow has done so far. @throws ControlError 404 where there was none. */
  report(): FlowReport {
    if (!this.#flow) throw new ControlError(404, 'There was no flow so far.');
    return this.#flow.report();
  }

  /** Ends the flow, if one is running. */
  stop(): void {
    this.#flow?.stop();
  }
}
