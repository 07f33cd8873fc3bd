import type { DescMessage, DescMethodUnary, DescService, MessageInitShape } from "@bufbuild/protobuf";
import { fail, MechaError } from "../../specs/errors.ts";
import type {
  FeaturesRequestSchema,
  FeaturesResponseSchema,
} from "../../specs/gen/dapr/proto/components/v1/common_pb.js";
import type { Call, OpenContext } from "../contract/driver.ts";
import type { Connection } from "./connection.ts";
import { codeOf, codes, detailsOf } from "./failures.ts";
import { Link } from "./link.ts";
import { listServices } from "./reflection.ts";

/** Metadata of a component as it was written: what it means only its process knows. */
export type Pairs = Readonly<Record<string, string>>;

/** What every Init takes. */
type InitMethod<I extends DescMessage = DescMessage> = DescMethodUnary<I>;

export interface ProcessOptions {
  /** spec.type, for messages. */
  readonly type: string;
  /** The socket. */
  readonly path: string;
  readonly pairs: Pairs;
  /** Services of which at least one must be there; Init is sent to all that are. */
  readonly wanted: readonly { readonly service: DescService; readonly init: InitMethod }[];
  readonly context: OpenContext;
}

/** The process of a component, connected and told its settings. */
export interface Process {
  readonly link: Link;
  /** Whether the process offered a service when it was opened. */
  has(service: DescService): boolean;
}

/** Connects to a process, learns its services and sends Init; so it does again whenever the process comes back. */
export async function openProcess(options: ProcessOptions): Promise<Process> {
  const { path, context } = options;
  let offered: ReadonlySet<string> = new Set();
  const begin = async (connection: Connection, signal: AbortSignal) => {
    const services = await listServices(connection, signal).catch((error: unknown) => {
      throw atSocket(options, error);
    });
    if (offered.size === 0) offered = services;
    await sendInit(options, connection, services, signal);
  };
  const link = new Link({ path, begin, context });
  await link.open();
  return { link, has: ({ typeName }) => offered.has(typeName) };
}

async function sendInit(
  options: ProcessOptions,
  connection: Connection,
  services: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  const { wanted, pairs, type, path } = options;
  const present = wanted.filter(({ service }) => services.has(service.typeName));
  if (present.length === 0) {
    const names = wanted.map(({ service }) => service.name).join(" or ");
    const own = "dapr.proto.components.v1.";
    const others = [...services].filter((name) => name.startsWith(own)).map((name) => name.slice(own.length));
    const offers = others.length > 0 ? others.join(", ") : "no component services";
    throw fail("openFailed", { why: `${type}: the process at ${path} offers ${offers}; a ${type} needs ${names}` });
  }
  for (const { service, init } of present) {
    try {
      await connection.unary(init, { metadata: { properties: { ...pairs } } } as MessageInitShape<DescMessage>, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const why = `${type}: Init of ${service.name} at ${path} failed: ${detailsOf(error)}`;
      throw fail("openFailed", { why }, { cause: error });
    }
  }
}

function atSocket({ type, path }: ProcessOptions, error: unknown): unknown {
  if (!(error instanceof MechaError) || error.reason !== "openFailed") return error;
  return fail("openFailed", { why: `${type} at ${path}: ${error.message}` }, { cause: error });
}

/** Names of optional features; none where the process does not say. */
export async function featuresOf(
  link: Link,
  method: DescMethodUnary<typeof FeaturesRequestSchema, typeof FeaturesResponseSchema>,
  call: Call,
): Promise<ReadonlySet<string>> {
  const answer = await orUnimplemented(link.call(method, {}, call), undefined);
  return new Set((answer?.features ?? []).map((name) => name.toUpperCase()));
}

/** Asks whether the process can serve; one that does not implement the question is taken to be well. */
export async function ping<I extends DescMessage, O extends DescMessage>(
  link: Link,
  method: DescMethodUnary<I, O>,
  call: Call,
): Promise<void> {
  await orUnimplemented(link.call(method, {} as MessageInitShape<I>, call), undefined);
}

/** The answer, or `otherwise` where the process does not implement what it was asked. */
export async function orUnimplemented<T, U>(answer: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await answer;
  } catch (error) {
    if (isUnimplemented(error)) return otherwise;
    throw error;
  }
}

export const isUnimplemented = (error: unknown): boolean =>
  codeOf(error) === codes.unimplemented || (error instanceof MechaError && error.reason === "unimplemented");
