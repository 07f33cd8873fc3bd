import { join } from "node:path";
import type { Config } from "../kernel/config-types.ts";
import { anyAddress } from "../kernel/own-address.ts";
import type { Place } from "./http/listen.ts";

/** Where the HTTP API listens. */
export function httpPlaces({ listen, appId }: Config): Place[] {
  if (listen.unixDomainSocketDir) return [{ socket: join(listen.unixDomainSocketDir, `dapr-${appId}-http.socket`) }];
  const hosts = listen.addresses.length > 0 ? listen.addresses : [undefined];
  return hosts.map((host) => ({ host: host?.replace(/^\[(.*)\]$/, "$1"), port: listen.httpPort }));
}

/** Where the gRPC API listens, as grpc-js writes it. */
export function grpcAddresses({ listen, appId }: Config): string[] {
  if (listen.unixDomainSocketDir) return [`unix:${join(listen.unixDomainSocketDir, `dapr-${appId}-grpc.socket`)}`];
  const hosts = listen.addresses.length > 0 ? listen.addresses : [anyAddress()];
  return hosts.map((host) => `${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${listen.grpcPort}`);
}
