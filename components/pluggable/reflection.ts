import { fail } from "../../specs/errors.ts";
import { ServerReflection, type ServerReflectionResponse } from "../../specs/gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../specs/gen/grpc/reflection/v1alpha/reflection_pb.js";
import type { Connection } from "./connection.ts";
import { codeOf, codes, detailsOf } from "./failures.ts";

type ReflectionMethod = typeof ServerReflection.method.serverReflectionInfo;

/** Newest first; both have the same messages under two names. */
const versions: readonly ReflectionMethod[] = [
  ServerReflection.method.serverReflectionInfo,
  ServerReflectionAlpha.method.serverReflectionInfo as unknown as ReflectionMethod,
];

/** Full names of the services behind a connection. Rejects with `openFailed` when they cannot be learnt. */
export async function listServices(connection: Connection, signal: AbortSignal): Promise<ReadonlySet<string>> {
  let cause: unknown;
  for (const method of versions) {
    try {
      return await ask(connection, method, signal);
    } catch (error) {
      cause = error;
      if (codeOf(error) !== codes.unimplemented) break;
    }
  }
  if (signal.aborted) throw signal.reason;
  const isAbsent = codeOf(cause) === codes.unimplemented;
  const why = isAbsent
    ? "its process offers no gRPC server reflection, by which services are found; register reflection in its server"
    : `its process does not list its services: ${detailsOf(cause)}`;
  throw fail("openFailed", { why }, { cause });
}

function ask(connection: Connection, method: ReflectionMethod, signal: AbortSignal): Promise<ReadonlySet<string>> {
  return new Promise((resolve, reject) => {
    const stream = connection.stream(method);
    const abort = () => stream.cancel();
    signal.addEventListener("abort", abort, { once: true });
    const done = (settle: () => void) => {
      signal.removeEventListener("abort", abort);
      settle();
    };
    stream.once("data", ({ messageResponse }: ServerReflectionResponse) => {
      stream.end();
      if (messageResponse.case === "listServicesResponse") {
        const names = messageResponse.value.service.map(({ name }) => name);
        return done(() => resolve(new Set(names)));
      }
      const text = messageResponse.case === "errorResponse" ? messageResponse.value.errorMessage : "no list came";
      done(() => reject(new Error(text)));
    });
    stream.once("error", (error) => done(() => reject(error)));
    stream.once("end", () => done(() => reject(new Error("no list came"))));
    stream.write({ messageRequest: { case: "listServices", value: "*" } });
  });
}
