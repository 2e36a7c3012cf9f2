/** Something on this machine keeps an embedded service from running. The message says what to do about it. */
export class EmbeddedServiceError extends Error {
  override readonly name: string = 'EmbeddedServiceError';
}

/** PostgreSQL could not be prepared or did not start. */
export class PostgresStartError extends EmbeddedServiceError {
  override readonly name = 'PostgresStartError';
}

/** The Temporal development server did not start. */
export class TemporalStartError extends EmbeddedServiceError {
  override readonly name = 'TemporalStartError';
}

/** A port that was asked for by number is in use. */
export class PortTakenError extends EmbeddedServiceError {
  override readonly name = 'PortTakenError';
  readonly port: number;

  constructor(service: string, port: number, options?: ErrorOptions) {
    super(
      `Port ${port} on 127.0.0.1 is in use, ${service} cannot listen there. Stop what uses it, or choose another.`,
      options,
    );
    this.port = port;
  }
}
