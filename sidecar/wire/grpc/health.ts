import { Health, HealthCheckResponse_ServingStatus as Status } from "../../../specs/gen/grpc/health/v1/health_pb.js";
import { type AnyMethod, method } from "../../kernel/method.ts";

/** The standard health service (grpc.health.v1): one answer for every service name. */
export function healthMethods(ready: () => boolean): readonly AnyMethod[] {
  const status = () => (ready() ? Status.SERVING : Status.NOT_SERVING);
  return [
    method(Health.method.check, "healthz", undefined, async () => ({ status: status() })),
    method(Health.method.watch, "healthz", undefined, async (_, { signal }) => watch(status, signal)),
  ];
}

const watchIntervalMs = 1_000;

/** The status now, and each change of it. */
async function* watch(status: () => Status, signal: AbortSignal): AsyncGenerator<{ status: Status }> {
  let told: Status | undefined;
  while (!signal.aborted) {
    const now = status();
    if (now !== told) yield { status: now };
    told = now;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, watchIntervalMs).unref();
      signal.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true });
    });
  }
}
