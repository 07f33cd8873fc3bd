/** The part of the library that is used here; it brings no types of its own. */
declare module "multicast-dns" {
  import type { RemoteInfo } from "node:dgram";
  import type { EventEmitter } from "node:events";

  export interface Question {
    name: string;
    type: string;
  }
  export type DnsRecord = { name: string; ttl?: number; flush?: boolean } & (
    | { type: "PTR" | "A" | "AAAA"; data: string }
    | { type: "SRV"; data: { target: string; port: number; priority?: number; weight?: number } }
    | { type: "TXT"; data: string | Buffer | readonly (string | Buffer)[] }
  );
  export interface Packet {
    id?: number;
    questions?: Question[];
    answers?: DnsRecord[];
    additionals?: DnsRecord[];
  }
  export interface MulticastDns
    extends EventEmitter<{
      ready: [];
      error: [Error];
      warning: [Error];
      query: [Packet, RemoteInfo];
      response: [Packet, RemoteInfo];
    }> {
    query(packet: Packet, sent?: (error?: Error | null) => void): void;
    respond(packet: Packet, to?: RemoteInfo | null, sent?: (error?: Error | null) => void): void;
    destroy(closed: () => void): void;
  }
  const open: (options: { port?: number; interface?: string }) => MulticastDns;
  export default open;
}
