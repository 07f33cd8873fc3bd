import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Clock, Log } from "../../components/contract/driver.ts";
import { causeText, fail } from "../../specs/errors.ts";
import { AppCallbackHealthCheck } from "../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";
import type { App, AppHealth } from "../kernel/app.ts";
import type { AppConfig } from "../kernel/config-types.ts";
import type { Answer, Exchange } from "../kernel/exchange.ts";
import { abandoned } from "../kernel/status.ts";
import { Concurrency } from "./concurrency.ts";
import { Gate } from "./gate.ts";
import { GrpcClient } from "./grpc-client.ts";
import { grpcEvents } from "./grpc-events.ts";
import { invokeOverGrpc } from "./grpc-invoke.ts";
import { toMetadata } from "./grpc-metadata.ts";
import { rawTarget } from "./grpc-raw.ts";
import { openH2cTarget } from "./h2c.ts";
import { AppWatch, type Probe } from "./health.ts";
import { type HttpServerTarget, openHttpTarget } from "./http.ts";
import { type EventParts, httpEvents } from "./http-events.ts";

export interface OpenAppOptions {
  /** With a port. */
  readonly config: AppConfig;
  readonly appId: string;
  readonly maxBodyBytes: number;
  /** Hears of each call that has ended; for metrics. */
  readonly notes?: AppCallNotes | undefined;
  readonly log: Log;
  readonly clock: Clock;
}

export interface AppCallNotes {
  http(verb: string, path: string, status: number): void;
  grpc(method: string, code: number, ms: number): void;
  /** A health check over gRPC. */
  probe(code: number, ms: number): void;
}

export interface OpenedApp {
  readonly app: App;
  readonly health: AppHealth;
  /** Cuts what is in flight. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens the channel to the app and starts to wait for its port; the app need not run yet.
 * Undefined when no app port is configured.
 */
export function openApp(options: OpenAppOptions): OpenedApp | undefined {
  const { config, log, clock } = options;
  if (config.port === undefined) return undefined;
  const address = `${config.address.includes(":") ? `[${config.address}]` : config.address}:${config.port}`;
  const closing = new AbortController();
  const channel = openChannel(options, address, () => watch.suspect());
  const { healthCheck: check } = config;
  const watch = new AppWatch({
    dial: dialer(config.address, config.port, secure(config)),
    ...(check.enabled ? { check: { ...check, probe: channel.probe } } : {}),
    address,
    log,
    clock,
  });
  const gate = new Gate(new Concurrency(config.maxConcurrency), watch);
  watch.start();
  return {
    app: channel.app(gate, eventParts(options, closing.signal)),
    health: watch,
    async close() {
      closing.abort(fail("shuttingDown", {}));
      watch.close();
      channel.close();
    },
  };
}

const secure = ({ protocol }: AppConfig): boolean => protocol === "https" || protocol === "grpcs";

const eventParts = ({ appId, config, maxBodyBytes, log, clock }: OpenAppOptions, closing: AbortSignal): EventParts => ({
  appId,
  bindingOptionsTimeoutMs: config.bindingOptionsTimeoutMs,
  maxBodyBytes,
  closing,
  log,
  clock,
});

interface Channel {
  readonly probe: Probe;
  app(gate: Gate, parts: EventParts): App;
  close(): void;
}

function openChannel(options: OpenAppOptions, address: string, onLost: () => void): Channel {
  const { config, maxBodyBytes } = options;
  if (config.protocol === "grpc" || config.protocol === "grpcs") {
    const note = options.notes?.grpc;
    return grpcChannel(new GrpcClient(address, secure(config), maxBodyBytes, onLost, note), options);
  }
  if (config.protocol === "h2c") return httpChannel(openH2cTarget(address, onLost), onLost, options);
  return httpChannel(
    openHttpTarget(`${config.protocol}://${address}`, { tls: { anyServer: true }, onLost }),
    onLost,
    options,
  );
}

function httpChannel(target: HttpServerTarget, onLost: () => void, { config, notes }: OpenAppOptions): Channel {
  const token = config.apiToken;
  const sendNow = async (exchange: Exchange): Promise<Answer> => {
    const headers = token === undefined ? exchange.headers : { ...exchange.headers, "dapr-api-token": token };
    try {
      const answer = await target.send({ ...exchange, headers });
      notes?.http(exchange.verb, `/${exchange.path}`, answer.status);
      return answer;
    } catch (error) {
      if (exchange.signal.aborted) throw abandoned(exchange.signal, "the call to the app");
      onLost();
      throw fail("appUnreachable", { cause: causeText(error) }, { cause: error });
    }
  };
  return {
    probe: async (signal) => {
      const path = config.healthCheck.path.replace(/^\/+/, "");
      const { status, body } = await target.send({
        verb: "GET",
        path,
        query: "",
        headers: {},
        body: undefined,
        signal,
      });
      body.resume();
      if (status < 200 || status > 299) throw new Error(`GET /${path} answered ${status}`);
    },
    app(gate, parts) {
      const send = (exchange: Exchange) => gate.answer(exchange, sendNow);
      return { speaksGrpc: false, grpc: undefined, send, ...httpEvents(send, parts) };
    },
    close: () => target.close(),
  };
}

function grpcChannel(client: GrpcClient, { config, maxBodyBytes, notes }: OpenAppOptions): Channel {
  const token = config.apiToken;
  return {
    probe: async (signal) => {
      await client.unary(AppCallbackHealthCheck.method.healthCheck, {}, toMetadata({}), signal, notes?.probe);
    },
    app(gate, parts) {
      const send = (exchange: Exchange) =>
        gate.answer(exchange, (entered) => invokeOverGrpc(client, entered, token, maxBodyBytes));
      return {
        speaksGrpc: true,
        grpc: gate.calls(rawTarget(client, token)),
        send,
        ...grpcEvents(client, gate, send, token, parts),
      };
    },
    close: () => client.close(),
  };
}

function dialer(host: string, port: number, tls: boolean): Probe {
  return (signal) =>
    new Promise((resolve, reject) => {
      const socket = tls ? connectTls({ host, port, rejectUnauthorized: false }) : connectTcp({ host, port });
      const done = (settle: () => void) => {
        signal.removeEventListener("abort", late);
        socket.destroy();
        settle();
      };
      const late = () => done(() => reject(signal.reason));
      signal.addEventListener("abort", late, { once: true });
      socket.once(tls ? "secureConnect" : "connect", () => done(resolve));
      socket.once("error", (error) => done(() => reject(error)));
    });
}
