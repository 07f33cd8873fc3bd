import { createServer } from "node:http";
import type { Metrics } from "../kernel/metrics.ts";
import { drain } from "./http/drain.ts";
import { type Listening, listen } from "./http/listen.ts";

/** Serves the metrics in the Prometheus text format; any path answers. */
export function openMetricsServer(metrics: Metrics, host: string, port: number): Promise<Listening> {
  const server = createServer((_, response) => {
    metrics.expose().then(
      ({ contentType, text }) => response.writeHead(200, { "content-type": contentType }).end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  return listen(server, [{ host: host || undefined, port }], (listeners) => drain(server, listeners, undefined, 0));
}
