import type { Metrics } from "../kernel/metrics.ts";
import { grpcStatusName } from "../kernel/status.ts";

/** Callers choose the paths of an app; those that come after so many share one series. */
const mostPaths = 1000;

/** Counts the sidecar's calls of its app. Without `paths` the paths of an HTTP app are no label. */
export function appMetrics(metrics: Metrics, paths: boolean) {
  const known = new Set<string>();
  const labelOf = (path: string): string => {
    if (!paths || (known.size >= mostPaths && !known.has(path))) return "";
    known.add(path);
    return path;
  };
  return {
    http(method: string, path: string, status: number): void {
      const labels = { method, path: labelOf(path), status: String(status) };
      metrics.count("http_client_completed_count", "Calls of the app over HTTP that have ended.", labels)();
    },
    grpc(method: string, code: number, ms: number): void {
      const labels = { grpc_client_method: method, grpc_client_status: grpcStatusName(code) };
      metrics.count("grpc_io_client_completed_rpcs", "Calls of the app over gRPC that have ended.", labels)();
      metrics.latency("grpc_io_client_roundtrip_latency", "Milliseconds per call of the app.", labels)(ms);
    },
    probe(code: number, ms: number): void {
      const labels = { grpc_client_status: grpcStatusName(code) };
      metrics.count("grpc_io_healthprobes_completed_count", "Health checks of the app over gRPC.", labels)();
      metrics.latency("grpc_io_healthprobes_roundtrip_latency", "Milliseconds per health check.", labels)(ms);
    },
  };
}
