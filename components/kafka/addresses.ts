import { fail } from "../../specs/errors.ts";

/** Where a broker listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

const standardPort = 9092;

/**
 * Reads brokers: `host`, `host:port` or `[ipv6]:port`, several separated by commas.
 * Throws `openFailed` for anything else.
 */
export function parseBrokers(brokers: string): readonly [Address, ...Address[]] {
  const [first, ...rest] = brokers
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "")
    .map(parseBroker);
  if (!first) throw wrong(brokers, "names no broker");
  return [first, ...rest];
}

function parseBroker(text: string): Address {
  if (/^[a-z_]+:\/\//i.test(text)) throw wrong(text, "is a URL");
  const [, ipv6, name, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::([^:]*))?$/.exec(text) ?? [];
  // More than one colon: an IPv6 address without brackets.
  if (ipv6 === undefined && name === undefined) return { host: text, port: standardPort };
  const host = ipv6 ?? name ?? "";
  if (host === "") throw wrong(text, "names no host");
  return { host, port: port === undefined ? standardPort : toPort(text, port) };
}

function toPort(text: string, digits: string): number {
  const port = Number(digits);
  if (!/^\d+$/.test(digits) || port < 1 || port > 65_535) throw wrong(text, "has no port between 1 and 65535");
  return port;
}

const wrong = (text: string, what: string) =>
  fail("openFailed", { why: `brokers: ${JSON.stringify(text)} ${what}; write it as localhost:9092` });

/** As people write it. */
export const toText = ({ host, port }: Address) => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
