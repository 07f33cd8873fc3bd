import {
  create,
  createRegistry,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Client, type ClientDuplexStream, credentials, Metadata, type StatusObject } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import { ErrorInfoSchema, HelpSchema, ResourceInfoSchema } from "../../specs/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../specs/gen/google/rpc/status_pb.js";

/** What a gRPC call was answered, error details unpacked. */
export interface GrpcReply {
  readonly code: number;
  readonly message: string;
  /** The messages of google.rpc.Status.details. */
  readonly details: readonly unknown[];
  /** All messages of the answer; one for a unary call that succeeded. */
  readonly messages: readonly unknown[];
  /** Initial metadata. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** Trailing metadata. */
  readonly trailers: Readonly<Record<string, unknown>>;
}

/** Bytes for names that end in `-bin`. */
type Given = Readonly<Record<string, string | Buffer>>;
const registry = createRegistry(ErrorInfoSchema, HelpSchema, ResourceInfoSchema);

/** A client for any method of specs/gen, or for raw bytes. */
export class GrpcCaller {
  readonly client: Client;

  /** `address`: `host:port` or `unix:path`. The connection is closed when the test is over, or by `close`. */
  constructor(address: string, { closes = true }: { readonly closes?: boolean } = {}) {
    this.client = new Client(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
    if (closes) onTestFinished(() => this.client.close());
  }

  close(): void {
    this.client.close();
  }

  /** Opens a call of whatever kind; on the wire all kinds look alike. */
  open<D extends DescMethod>(rpc: D, headers: Given = {}): ClientDuplexStream<MessageInitShape<D["input"]>, unknown> {
    const path = `/${rpc.parent.typeName}/${rpc.name}`;
    const serialize = (init: MessageInitShape<D["input"]>) =>
      Buffer.from(toBinary(rpc.input as D["input"], create(rpc.input as D["input"], init)));
    return this.client.makeBidiStreamRequest(
      path,
      serialize,
      (bytes) => fromBinary(rpc.output, bytes),
      toMetadata(headers),
    );
  }

  /** Opens a call whose messages are bytes. */
  openRaw(path: string, headers: Given = {}): ClientDuplexStream<Uint8Array, Buffer> {
    return this.client.makeBidiStreamRequest(
      path,
      (bytes) => Buffer.from(bytes),
      (bytes) => bytes,
      toMetadata(headers),
    );
  }

  /** Sends messages, one unless several are given as an array, and waits for the end of the call. */
  call<D extends DescMethod>(
    rpc: D,
    init: MessageInitShape<D["input"]> | readonly MessageInitShape<D["input"]>[],
    headers: Given = {},
  ): Promise<GrpcReply> {
    const call = this.open(rpc, headers);
    const answered = whole(call);
    for (const one of Array.isArray(init) ? init : [init]) call.write(one);
    call.end();
    return answered;
  }

  /** The same with bytes for messages. */
  callRaw(path: string, messages: readonly Uint8Array[], headers: Given = {}): Promise<GrpcReply> {
    const call = this.openRaw(path, headers);
    const answered = whole(call);
    for (const one of messages) call.write(one);
    call.end();
    return answered;
  }
}

const toMetadata = (headers: Given): Metadata => {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
  return metadata;
};

/** Everything that a call is answered until it ends. */
export function whole(call: ClientDuplexStream<never, unknown>): Promise<GrpcReply> {
  return new Promise((resolve) => {
    const messages: unknown[] = [];
    let headers: Record<string, unknown> = {};
    call.on("data", (message: unknown) => messages.push(message));
    call.once("metadata", (metadata: Metadata) => {
      headers = metadata.getMap();
    });
    // The status says the same.
    call.on("error", () => {});
    call.once("status", ({ code, details, metadata }: StatusObject) => {
      resolve({ code, message: details, details: unpack(metadata), messages, headers, trailers: metadata.getMap() });
    });
  });
}

function unpack(metadata: Metadata): unknown[] {
  const [packed] = metadata.get("grpc-status-details-bin");
  if (packed === undefined) return [];
  return fromBinary(StatusSchema, packed as Buffer).details.map((one) => anyUnpack(one, registry));
}
