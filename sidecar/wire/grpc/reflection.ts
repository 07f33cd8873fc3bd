import {
  createRegistry,
  type DescFile,
  type DescMethodBiDiStreaming,
  type Registry,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { file_google_rpc_error_details } from "../../../specs/gen/google/rpc/error_details_pb.js";
import { Health } from "../../../specs/gen/grpc/health/v1/health_pb.js";
import { ServerReflection, type ServerReflectionRequest } from "../../../specs/gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../../specs/gen/grpc/reflection/v1alpha/reflection_pb.js";
import { type AnyMethod, method } from "../../kernel/method.ts";

const notFound = 5;

interface Known {
  readonly registry: Registry;
  /** By name without `.proto`. */
  readonly files: ReadonlyMap<string, DescFile>;
}

/**
 * Server reflection, both versions, over the services that the given methods belong to. Tools keep its stream open while
 * they run; it ends when `closing` aborts.
 */
export function reflectionMethods(methods: readonly AnyMethod[], closing: AbortSignal): readonly AnyMethod[] {
  const own = [Health, ServerReflection, ServerReflectionAlpha];
  const services = [...new Set([...own, ...methods.flatMap(({ rpcs }) => rpcs.map((rpc) => rpc.parent))])];
  const files = new Map<string, DescFile>();
  for (const service of services) collect(service.file, files);
  // No method speaks of them, but the details of errors are messages of theirs.
  collect(file_google_rpc_error_details, files);
  const known: Known = { registry: createRegistry(...files.values()), files };
  const names = services.map((service) => service.typeName).sort();
  const answer = (requests: AsyncIterable<ServerReflectionRequest>) => answerAll(requests, closing, known, names);
  // Both versions have the same messages under two names.
  const alpha = ServerReflectionAlpha.method.serverReflectionInfo as unknown as DescMethodBiDiStreaming;
  return [
    method([ServerReflection.method.serverReflectionInfo, alpha], "reflection", undefined, async (requests) =>
      answer(requests),
    ),
  ];
}

function collect(file: DescFile, into: Map<string, DescFile>): void {
  if (into.has(file.name)) return;
  into.set(file.name, file);
  for (const dependency of file.dependencies) collect(dependency, into);
}

async function* answerAll(
  requests: AsyncIterable<ServerReflectionRequest>,
  closing: AbortSignal,
  known: Known,
  names: readonly string[],
) {
  const { promise: closed, resolve } = Promise.withResolvers<undefined>();
  const end = () => resolve(undefined);
  closing.addEventListener("abort", end, { once: true });
  try {
    const iterator = requests[Symbol.asyncIterator]();
    for (;;) {
      const next = closing.aborted ? undefined : await Promise.race([iterator.next(), closed]);
      if (!next || next.done) return;
      yield { originalRequest: next.value, messageResponse: answerOne(next.value, known, names) };
    }
  } finally {
    closing.removeEventListener("abort", end);
  }
}

function answerOne({ messageRequest }: ServerReflectionRequest, known: Known, names: readonly string[]) {
  switch (messageRequest.case) {
    case "listServices":
      return { case: "listServicesResponse" as const, value: { service: names.map((name) => ({ name })) } };
    case "fileByFilename":
      return descriptors(known.files.get(messageRequest.value.replace(/\.proto$/, "")), messageRequest.value);
    case "fileContainingSymbol":
      return descriptors(fileOf(known.registry, messageRequest.value), messageRequest.value);
    default:
      return missing(`${messageRequest.case ?? "an empty request"} is not offered`);
  }
}

/** The file of a message, enum, service, or a method of a service. */
function fileOf(registry: Registry, symbol: string): DescFile | undefined {
  const found = registry.get(symbol) ?? registry.get(symbol.replace(/\.[^.]+$/, ""));
  return found?.file;
}

function descriptors(file: DescFile | undefined, what: string) {
  if (!file) return missing(`${what} is not found`);
  const files = new Map<string, DescFile>();
  collect(file, files);
  const bytes = [...files.values()].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto: bytes } };
}

const missing = (errorMessage: string) => ({
  case: "errorResponse" as const,
  value: { errorCode: notFound, errorMessage },
});
