import { createSocket } from "node:dgram";
import { onTestFinished } from "vitest";

/** Records of a test's name server, by lower-case name. */
export interface Zone {
  readonly [name: string]: {
    readonly a?: readonly string[];
    readonly aaaa?: readonly Uint8Array[];
    readonly srv?: readonly {
      readonly name: string;
      readonly port: number;
      readonly priority: number;
      readonly weight: number;
    }[];
  };
}

const types = { 1: "a", 28: "aaaa", 33: "srv" } as const;
const [noError, serverFailure, noSuchName] = [0, 2, 3];

/** Starts a name server on a free port of this machine; it is gone when the test is. Without zone it fails each question. */
export async function startDnsServer(zone: Zone | undefined): Promise<string> {
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => socket.send(answerTo(query, zone), from.port, from.address));
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise((resolve) => socket.close(resolve)));
  return `127.0.0.1:${socket.address().port}`;
}

/** RFC 1035, section 4: header, the question repeated, answers. */
function answerTo(query: Buffer, zone: Zone | undefined): Buffer {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += length + 1;
  }
  const type = query.readUInt16BE(at + 1);
  const question = query.subarray(12, at + 5);
  const records = zone?.[labels.join(".").toLowerCase()];
  const data = records ? recordData(records, types[type as keyof typeof types]) : [];
  const code = !zone ? serverFailure : records ? noError : noSuchName;
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | (code ?? 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(data.length, 6);
  return Buffer.concat([header, question, ...data.map((bytes) => record(type, bytes))]);
}

function recordData(records: Zone[string], type: "a" | "aaaa" | "srv" | undefined): Uint8Array[] {
  if (type === "a") return (records.a ?? []).map((address) => Uint8Array.from(address.split(".").map(Number)));
  if (type === "aaaa") return [...(records.aaaa ?? [])];
  if (type !== "srv") return [];
  return (records.srv ?? []).map(({ name, port, priority, weight }) => {
    const numbers = Buffer.alloc(6);
    for (const [i, number] of [priority, weight, port].entries()) numbers.writeUInt16BE(number, i * 2);
    const labels = name.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
    return Buffer.concat([numbers, ...labels, Buffer.from([0])]);
  });
}

/** One record about the name of the question (pointer to offset 12), class IN, one minute to live. */
function record(type: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(12);
  for (const [i, number] of [0xc00c, type, 1, 0, 60, data.length].entries()) head.writeUInt16BE(number, i * 2);
  return Buffer.concat([head, data]);
}
