import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Program } from "./program.ts";
import type { Service } from "./services.ts";

/** Where a service and its sidecar listen. */
export interface Ports {
  readonly app: number;
  readonly http: number;
  readonly grpc: number;
}

const mechad = join(import.meta.dirname, "../../../bin/mechad");
const components = join(import.meta.dirname, "../components");
const patienceMs = 60_000;
const pollMs = 25;

/** A service and the sidecar beside it. */
export class Pair {
  readonly service: Service;
  readonly ports: Ports;
  readonly #folder: string;
  readonly #onFailure: (error: Error) => void;
  readonly #app: Program;
  #sidecar: Program;

  /** Starts both. `onFailure` is called when one of them ends by itself. */
  constructor(service: Service, ports: Ports, folder: string, onFailure: (error: Error) => void) {
    this.service = service;
    this.ports = ports;
    this.#folder = folder;
    this.#onFailure = onFailure;
    mkdirSync(join(folder, "logs"), { recursive: true });
    this.#app = this.#start(service.appId, service.command);
    this.#sidecar = this.#startSidecar();
  }

  /** Base address of the sidecar's HTTP API. */
  get url(): string {
    return `http://127.0.0.1:${this.ports.http}`;
  }

  #start(name: string, command: Service["command"]): Program {
    const env = {
      APP_PORT: String(this.ports.app),
      DAPR_HTTP_PORT: String(this.ports.http),
      DAPR_GRPC_PORT: String(this.ports.grpc),
      MECHA_HOME: this.#folder,
    };
    const logFile = join(this.#folder, `logs/${name}.log`);
    return new Program({ name, command, env, logFile, onFailure: this.#onFailure });
  }

  #startSidecar(): Program {
    const { app, http, grpc } = this.ports;
    const flags = {
      "app-id": this.service.appId,
      "app-port": app,
      "dapr-http-port": http,
      "dapr-grpc-port": grpc,
      "dapr-listen-addresses": "127.0.0.1",
      "resources-path": components,
      "data-dir": this.#folder,
      "enable-metrics": false,
    };
    const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    return this.#start(`${this.service.appId}-sidecar`, [process.execPath, mechad, ...args]);
  }

  /** Resolves when the sidecar and its service are ready for everything. */
  async untilReady(signal: AbortSignal): Promise<void> {
    const deadline = Date.now() + patienceMs;
    while (!(await this.#isHealthy())) {
      signal.throwIfAborted();
      if (Date.now() > deadline) throw new Error(`${this.service.appId} is not ready after ${patienceMs} ms`);
      await pause(pollMs);
    }
  }

  async #isHealthy(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/v1.0/healthz`)).status === 204;
    } catch {
      return false;
    }
  }

  /** Kills the sidecar where it stands, maybe while it starts, and starts another in its place. */
  async replaceSidecar(): Promise<void> {
    await this.#sidecar.kill9();
    this.#sidecar = this.#startSidecar();
  }

  /** The sidecar first, so that it hands what it holds to an app that still answers. */
  async stop(): Promise<void> {
    await this.#sidecar.stop();
    await this.#app.stop();
  }
}
