import { Health, HealthCheckResponse_ServingStatus as Status } from "../../../specs/gen/grpc/health/v1/health_pb.js";
import { pause, systemClock } from "../../kernel/clock.ts";
import { type AnyMethod, method } from "../../kernel/method.ts";

/**
 * The standard health service (grpc.health.v1): one answer for every service name. Whoever watches is told NOT_SERVING and
 * let go when `closing` aborts, so that no watch holds the server open.
 */
export function healthMethods(ready: () => boolean, closing: AbortSignal): readonly AnyMethod[] {
  const status = () => (ready() && !closing.aborted ? Status.SERVING : Status.NOT_SERVING);
  return [
    method(Health.method.check, "healthz", undefined, async () => ({ status: status() })),
    method(Health.method.watch, "healthz", undefined, async (_, { signal }) => watch(status, signal, closing)),
  ];
}

const watchIntervalMs = 1_000;

/** The status now, and each change of it. */
async function* watch(
  status: () => Status,
  signal: AbortSignal,
  closing: AbortSignal,
): AsyncGenerator<{ status: Status }> {
  const either = AbortSignal.any([signal, closing]);
  let told: Status | undefined;
  for (;;) {
    const now = status();
    if (now !== told) yield { status: now };
    told = now;
    if (either.aborted) return;
    await pause(systemClock, watchIntervalMs, either).catch(() => {});
    if (signal.aborted) return;
  }
}
