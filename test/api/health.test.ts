import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openApiStage, type ApiStage } from './support/stage.ts';

/** A way to a server that can be cut: then it takes connections and bytes, and answers nothing. */
class Wire {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #cut = false;

  constructor(host: string, port: number, connect: (port: number, host: string) => Socket) {
    this.#server = createServer((client) => {
      this.#keep(client);
      if (this.#cut) return;
      const upstream = connect(port, host);
      this.#keep(upstream);
      client.on('data', (bytes) => void (!this.#cut && upstream.write(bytes)));
      upstream.on('data', (bytes) => void (!this.#cut && client.write(bytes)));
      client.on('close', () => upstream.destroy());
      upstream.on('close', () => client.destroy());
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  async open(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  cut(): void {
    this.#cut = true;
  }

  /** Ends what hangs; new connections get through again. */
  mend(): void {
    this.#cut = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

describe('GET /health', () => {
  let stage: ApiStage;
  let database: Wire;
  let temporal: Wire;
  beforeAll(async () => {
    const { connect } = await import('node:net');
    const postgres = new URL(inject('postgresUrl'));
    const [host = '', port = ''] = inject('temporalAddress').split(':');
    database = new Wire(postgres.hostname, Number(postgres.port), connect);
    temporal = new Wire(host, Number(port), connect);
    const [databasePort, temporalPort] = await Promise.all([database.open(), temporal.open()]);
    stage = await openApiStage({ wires: { databasePort, temporalPort } });
  });
  afterAll(async () => {
    database.mend();
    temporal.mend();
    await stage.close();
    database.close();
    temporal.close();
  });

  const health = () => stage.call('GET', '/health', { key: '' });

  it('has exactly the form of the contract', async () => {
    const { status, body } = await health();
    expect(status).toBe(200);
    expect(body).toEqual({
      status: 'healthy',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
      service: 'outlook_email_extraction',
      pipeline: {
        pipeline_name: 'outlook_emails_extraction',
        destination_type: 'postgres',
        is_active: true,
        source_type: 'outlook_emails',
        database_health: 'healthy',
        temporal_health: 'healthy',
      },
    });
  });

  it('answers HEAD as well', async () => {
    const response = await fetch(`${stage.api.url}/health`, { method: 'HEAD' });
    expect(response.status).toBe(200);
  });

  it('is told of by pipeline info, with versions', async () => {
    const { status, body } = await stage.call('GET', '/api/v1/pipeline/info');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      success: true,
      pipeline_name: 'outlook_emails_extraction',
      destination_type: 'postgres',
      is_active: true,
      source_type: 'outlook_emails',
      versions: { node: process.versions.node },
    });
    for (const version of Object.values(body['versions']!)) expect(version).toMatch(/^\d+\.\d+/);
  });

  it('answers 503 within 2 seconds while Temporal hangs, and is well again afterwards', async () => {
    temporal.cut();
    const begin = performance.now();
    const { status, body } = await health();
    expect(performance.now() - begin).toBeLessThan(2_500);
    expect(status).toBe(503);
    expect(body).toMatchObject({
      status: 'unhealthy',
      pipeline: { is_active: false, database_health: 'healthy', temporal_health: 'unhealthy' },
    });
    temporal.mend();
    await expect.poll(async () => (await health()).status, { timeout: 30_000 }).toBe(200);
  });

  it('answers 503 within 2 seconds while PostgreSQL hangs, and is well again afterwards', async () => {
    database.cut();
    const begin = performance.now();
    const { status, body } = await health();
    expect(performance.now() - begin).toBeLessThan(2_500);
    expect(status).toBe(503);
    expect(body).toMatchObject({
      status: 'unhealthy',
      pipeline: { is_active: false, database_health: 'unhealthy', temporal_health: 'healthy' },
    });
    database.mend();
    await expect.poll(async () => (await health()).status, { timeout: 30_000 }).toBe(200);
  });
});
