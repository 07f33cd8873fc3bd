import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { toText } from "../byte-stream.ts";
import { type CallOptions, callOf } from "../call.ts";
import type { Transport } from "../transport.ts";
import { fromBytes, toBytes } from "../values.ts";
import type { Metadata } from "./state-options.ts";

/**
 * What the other side of a binding answered.
 *
 * @example
 * ```ts
 * import { type BindingReply, createClient } from "@mecha/sdk";
 *
 * const reply: BindingReply = await createClient().binding("files").invoke("list");
 * console.log(reply.metadata, reply.json<string[]>());
 * ```
 */
export class BindingReply {
  readonly data: Uint8Array;
  readonly metadata: Metadata;

  /** @internal */
  constructor(data: Uint8Array, metadata: Metadata) {
    this.data = data;
    this.metadata = metadata;
  }

  /** The data as UTF-8. */
  text(): string {
    return toText(this.data);
  }

  /** The data as JSON. Throws `data_loss` when it is none. */
  json<T = unknown>(): T {
    return fromBytes<T>(this.data, "the answer of the binding", "read it by text() or data");
  }
}

/**
 * An output binding: something outside, behind operations by name.
 *
 * @example
 * ```ts
 * import { createClient, type OutputBinding } from "@mecha/sdk";
 *
 * const files: OutputBinding = createClient().binding("files");
 * await files.invoke("create", { hello: "world" }, { metadata: { fileName: "hello.json" } });
 * const reply = await files.invoke("get", undefined, { metadata: { fileName: "hello.json" } });
 * console.log(reply.text());
 * ```
 */
export class OutputBinding {
  readonly #transport: Transport;
  readonly #name: string;

  /** @internal */
  constructor(transport: Transport, name: string) {
    this.#transport = transport;
    this.#name = name;
  }

  /**
   * Performs an operation. Data goes as JSON, so that a text arrives in quotes; bytes go as they are, for which a client
   * over HTTP needs them to be JSON too.
   */
  async invoke(
    operation: string,
    data?: unknown,
    options: { readonly metadata?: Metadata } & CallOptions = {},
  ): Promise<BindingReply> {
    const what = `the data for binding ${this.#name}`;
    const input = {
      name: this.#name,
      operation,
      metadata: { ...options.metadata },
      data: data === undefined ? new Uint8Array() : toBytes(data, what, this.#transport),
    };
    const reply = await this.#transport.unary(Dapr.method.invokeBinding, input, callOf(options));
    return new BindingReply(reply.data, reply.metadata);
  }
}
