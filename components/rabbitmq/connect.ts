import { fail } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import { type Address, toText } from "./address.ts";
import { Link } from "./link.ts";

export interface ConnectionOptions {
  readonly address: Address;
  /** Names of the settings that errors are about. */
  readonly keys: { readonly address: string; readonly external: string };
  /** PEM; empty: none. */
  readonly caCert: string;
  readonly clientCert: string;
  readonly clientKey: string;
  /** The client certificate says who asks, in place of a password. */
  readonly isExternal: boolean;
  readonly clientName: string;
  readonly heartbeatMs: number;
  readonly reconnectMs: number;
}

/** Longest silence of the server while a connection is made. */
const silenceMs = 10_000;

/** Loads the library and makes links, which `Link.open` connects. Rejects with `openFailed` for wrong settings. */
export async function linkMaker(options: ConnectionOptions, context: OpenContext): Promise<() => Link> {
  check(options);
  const { connect, credentials } = await import("amqplib");
  const { address, caCert, clientCert, clientKey, isExternal, heartbeatMs, reconnectMs, keys } = options;
  const { protocol, hostname, port, username, password } = address;
  const place = {
    protocol,
    hostname,
    port,
    username,
    password,
    vhost: encodeURIComponent(address.vhost),
    heartbeat: Math.ceil(heartbeatMs / 1000),
  };
  const socket = {
    noDelay: true,
    timeout: silenceMs,
    ...(protocol === "amqps" && caCert !== "" ? { ca: caCert } : {}),
    ...(protocol === "amqps" && clientCert !== "" ? { cert: clientCert, key: clientKey } : {}),
    ...(isExternal ? { credentials: credentials.external() } : {}),
    clientProperties: { connection_name: options.clientName || `mecha-${context.appId}` },
  };
  return () =>
    new Link({
      // The library writes into what it is given.
      connect: () => connect({ ...place }, { ...socket, clientProperties: { ...socket.clientProperties } }),
      about: { ...keys, server: toText(address), vhost: address.vhost, username, isExternal },
      pauseMs: reconnectMs,
      clock: context.clock,
      log: context.log,
    });
}

function check({ address, keys, caCert, clientCert, clientKey, isExternal }: ConnectionOptions): void {
  const wrong = (why: string) => fail("openFailed", { why });
  if ((clientCert === "") !== (clientKey === "")) {
    throw wrong("clientCert, clientKey: give both or neither; a certificate is of no use without its key");
  }
  const isPlain = address.protocol === "amqp";
  if (isPlain && (caCert !== "" || clientCert !== "")) {
    throw wrong(
      `${keys.address}: certificates need TLS; begin the address with amqps, or leave caCert and clientCert out`,
    );
  }
  if (isExternal && clientCert === "") {
    throw wrong(`${keys.external}: the server knows the sidecar by its certificate; give clientCert and clientKey`);
  }
}
