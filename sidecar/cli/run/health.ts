import { setTimeout as pause } from "node:timers/promises";
import { callSidecar, type SidecarPlace } from "../sidecar-client.ts";

const pollMs = 40;
const oneTryMs = 2_000;

/**
 * Waits until a sidecar has its outbound APIs open. Resolves with true when it has, with false when the signal was
 * aborted or `timeoutMs` passed before.
 */
export async function untilOutboundReady(
  place: SidecarPlace,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  while (!signal.aborted && performance.now() < end) {
    try {
      // Health takes no token.
      const { status } = await callSidecar(place, undefined, {
        method: "GET",
        path: "/v1.0/healthz/outbound",
        timeoutMs: oneTryMs,
      });
      if (status === 204) return !signal.aborted;
    } catch {
      // It does not listen yet.
    }
    await pause(pollMs, undefined, { signal }).catch(() => {});
  }
  return false;
}
