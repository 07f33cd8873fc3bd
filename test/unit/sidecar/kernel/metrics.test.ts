import { describe, expect, it } from "vitest";
import { Metrics } from "../../../../sidecar/kernel/metrics.ts";

const lines = async (metrics: Metrics, name: string) =>
  (await metrics.expose()).text.split("\n").filter((line) => line.startsWith(name));

describe("metrics", () => {
  it("count with the common labels and their own, under the published prefix", async () => {
    const metrics = new Metrics({ app_id: "shop" }, [1, 10]);
    const add = metrics.count("calls_total", "Calls.", { method: "GetState" });
    add();
    add(4);
    expect(await lines(metrics, "dapr_calls_total")).toEqual(['dapr_calls_total{app_id="shop",method="GetState"} 5']);
  });

  it("put milliseconds into the configured buckets", async () => {
    const metrics = new Metrics({}, [1, 10]);
    const observe = metrics.latency("latency", "Ms.", { a: "b" });
    for (const ms of [0.5, 5, 50]) observe(ms);
    expect(await lines(metrics, "dapr_latency")).toEqual([
      'dapr_latency_bucket{a="b",le="1"} 1',
      'dapr_latency_bucket{a="b",le="10"} 2',
      'dapr_latency_bucket{a="b",le="+Inf"} 3',
      'dapr_latency_sum{a="b"} 55.5',
      'dapr_latency_count{a="b"} 3',
    ]);
  });

  it("count a value that equals a bound below it", async () => {
    const metrics = new Metrics({}, [1]);
    metrics.latency("latency", "Ms.", {})(1);
    expect(await lines(metrics, "dapr_latency_bucket")).toEqual([
      'dapr_latency_bucket{le="1"} 1',
      'dapr_latency_bucket{le="+Inf"} 1',
    ]);
  });

  it("escape what callers put into labels", async () => {
    const metrics = new Metrics({}, []);
    metrics.count("calls", "Calls.", { topic: 'a"} 7\nb\\' })();
    expect(await lines(metrics, "dapr_calls")).toEqual(['dapr_calls{topic="a\\"} 7\\nb\\\\"} 1']);
  });

  it("set levels", async () => {
    const metrics = new Metrics({}, []);
    const set = metrics.level("open", "Open.", { kind: "state" });
    set(3);
    set(2);
    expect(await lines(metrics, "dapr_open")).toEqual(['dapr_open{kind="state"} 2']);
  });

  it("give the same series to whoever binds the same labels again", async () => {
    const metrics = new Metrics({}, []);
    expect(metrics.count("calls", "Calls.", { a: "1" })).toBe(metrics.count("calls", "Calls.", { a: "1" }));
    metrics.count("calls", "Calls.", { a: "1" })();
    metrics.count("calls", "Calls.", { a: "2" })();
    expect(await lines(metrics, "dapr_calls")).toEqual(['dapr_calls{a="1"} 1', 'dapr_calls{a="2"} 1']);
  });

  it("keep series apart whose labels only look alike", async () => {
    const metrics = new Metrics({}, []);
    metrics.count("pairs", "Pairs.", { a: "x", b: "" })();
    metrics.count("pairs", "Pairs.", { a: "", b: "x" })();
    metrics.count("pairs", "Pairs.", { b: "", a: "x" })();
    expect(await lines(metrics, "dapr_pairs")).toEqual(['dapr_pairs{a="x",b=""} 2', 'dapr_pairs{a="",b="x"} 1']);
  });

  it("speak the Prometheus text format, the process's own included", async () => {
    const { contentType, text } = await new Metrics({}, []).expose();
    expect(contentType).toContain("text/plain; version=0.0.4");
    expect(text).toContain("process_cpu_seconds_total");
  });

  it("put sizes into their own buckets", async () => {
    const metrics = new Metrics({}, [1]);
    metrics.size("bytes", "Bytes.", {})(5000);
    const buckets = await lines(metrics, "dapr_bytes_bucket");
    expect(buckets).toHaveLength(14);
    expect(buckets.slice(2, 4)).toEqual(['dapr_bytes_bucket{le="4096"} 0', 'dapr_bytes_bucket{le="16384"} 1']);
  });

  it("have their labels rewritten, and series that become one are one", async () => {
    const rules = [
      {
        name: "dapr_calls_total",
        labels: [{ name: "method", regex: { "orders/": "orders/.+", "(unreadable)": "(" } }],
      },
    ];
    const metrics = new Metrics({}, [], rules);
    for (const method of ["orders/1", "orders/2", "other"])
      metrics.count("calls_total", "Calls.", { method, a: "b" })();
    metrics.count("others_total", "Calls.", { method: "orders/1" })();
    expect(await lines(metrics, "dapr_")).toEqual([
      'dapr_calls_total{method="orders/",a="b"} 2',
      'dapr_calls_total{method="other",a="b"} 1',
      'dapr_others_total{method="orders/1"} 1',
    ]);
  });
});
