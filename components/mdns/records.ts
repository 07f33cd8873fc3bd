import { isIPv4, isIPv6 } from "node:net";
import { hostname } from "node:os";
import type { DnsRecord, Packet } from "multicast-dns";
import type { Instance } from "../contract/name-resolution.ts";

/** What every responder answers with the types of its services (RFC 6763, section 9). */
export const browseName = "_services._dns-sd._udp.local";

const domain = ".local";
const ttlSeconds = 120;

/** The service type of an app is its id. */
export const serviceName = (appId: string) => appId + domain;

/** The records that make an instance findable; with `ttl` 0 they take it back, though not its machine's address. */
export function recordsOf({ appId, address }: Instance, ttl = ttlSeconds) {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
  const port = Number(address.slice(colon + 1));
  const dashed = host.replace(/[^a-zA-Z0-9]+/g, "-");
  const isIp = isIPv4(host) || isIPv6(host);
  const type = serviceName(appId);
  const target = isIp ? `ip-${dashed}${domain}` : host;
  // The host name alone would be the same for two sidecars of one machine, and for containers made alike.
  const name = `${hostname().split(".")[0]}-${dashed}-${port}.${type}`;
  return {
    type: { name: browseName, type: "PTR", data: type, ttl } satisfies DnsRecord,
    pointer: { name: type, type: "PTR", data: name, ttl } satisfies DnsRecord,
    service: { name, type: "SRV", data: { target, port, priority: 0, weight: 0 }, ttl } satisfies DnsRecord,
    text: { name, type: "TXT", data: [appId], ttl } satisfies DnsRecord,
    hosts: isIp
      ? [{ name: target, type: isIPv4(host) ? "A" : "AAAA", data: host, ttl: ttlSeconds } satisfies DnsRecord]
      : [],
  };
}

/** The answer to a question, or undefined when it is not about the instance. */
export function answerTo(question: { name: string; type: string }, instance: Instance): Packet | undefined {
  const { type, pointer, service, text, hosts } = recordsOf(instance);
  const name = question.name.toLowerCase();
  const about = (record: DnsRecord, ...types: string[]) =>
    name === record.name.toLowerCase() && ["ANY", ...types].includes(question.type);
  if (about(type, "PTR")) return { answers: [type] };
  if (about(pointer, "PTR")) return { answers: [pointer], additionals: [service, text, ...hosts] };
  if (about(service, "SRV")) return { answers: [service], additionals: hosts };
  if (about(text, "TXT")) return { answers: [text] };
  const host = hosts.find((record) => about(record, record.type));
  return host && { answers: [host] };
}

/** A sidecar that a packet tells of. */
export interface Sighting {
  readonly appId: string;
  /** Undefined: the app exists, this packet does not tell where. */
  readonly address?: string;
  /** True: it is no longer there. */
  readonly gone: boolean;
}

/** Reads a response. `from` is the sender's address, taken when the packet names none. */
export function sightingsIn({ answers = [], additionals = [] }: Packet, from: string): readonly Sighting[] {
  const records = [...answers, ...additionals];
  return records.flatMap((record): Sighting[] => {
    if (record.type === "PTR" && record.name.toLowerCase() === browseName) return sighting(record.data, record.ttl);
    if (record.type !== "SRV") return [];
    const dot = record.name.indexOf(".");
    const hosts = addressesOf(records, record.data.target, from);
    return hosts.flatMap((host) => sighting(record.name.slice(dot + 1), record.ttl, `${host}:${record.data.port}`));
  });
}

function sighting(type: string, ttl: number | undefined, address?: string): Sighting[] {
  // Types that start with an underscore are those of printers and the like.
  if (!type.toLowerCase().endsWith(domain) || type.startsWith("_")) return [];
  return [{ appId: type.slice(0, -domain.length), gone: ttl === 0, ...(address ? { address } : {}) }];
}

/** IPv4 addresses, else IPv6, else the name itself unless only multicast DNS knows it, else the sender. */
function addressesOf(records: readonly DnsRecord[], target: string, from: string): readonly string[] {
  const of = (type: "A" | "AAAA") =>
    records.flatMap((record) =>
      record.type === type && record.name.toLowerCase() === target.toLowerCase() ? [record.data] : [],
    );
  const four = of("A");
  if (four.length > 0) return four;
  const six = of("AAAA");
  if (six.length > 0) return six.map((address) => `[${address}]`);
  return [target.toLowerCase().endsWith(domain) ? from : target];
}
