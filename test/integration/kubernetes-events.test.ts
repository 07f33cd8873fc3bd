import { join } from "node:path";
import { expect, test } from "vitest";
import type { BindingEvent } from "../../components/contract/bindings.ts";
import kubernetes from "../../components/kubernetes/bindings.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { startKubernetes } from "../support/kubernetes-api.ts";
import { KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { tempFolder } from "../support/temp-folder.ts";

/** A binding to the namespace `shop`, and the events that it has given, as `add pulled`. */
async function reading(handle: (event: BindingEvent) => Promise<undefined> = async () => undefined) {
  const found = await startKubernetes();
  const proxy = await startTcpProxy(found.port);
  const config = found.kubeconfig(undefined, { server: `https://127.0.0.1:${proxy.port}` });
  const settings = { namespace: "shop", kubeconfigPath: join(tempFolder({ config }), "config") };
  const clock = new FakeClock();
  const log = new KeptLog();
  const binding = await openDriver(kubernetes, settings, openContext({ clock, log }));
  const given: BindingEvent[] = [];
  const names = () =>
    given.map(({ data }) => {
      const { event, oldVal, newVal } = JSON.parse(String(Buffer.from(data)));
      return `${event} ${newVal.metadata.name ?? oldVal.metadata.name}`;
    });
  const read = () =>
    binding.read?.(async (event) => {
      given.push(event);
      return handle(event);
    }, {});
  /** Until the binding has taken up its watch. */
  const watching = () => expect.poll(() => found.cluster.watching).toBe(1);
  return { ...found, proxy, settings, clock, log, binding, given, names, read, watching };
}

test("the events that there are come first, then each that is added, changed or deleted, in order", async () => {
  const { cluster, read, names, given, watching } = await reading();
  cluster.put("events", "shop", "pulled", { reason: "Pulled" });
  cluster.put("events", "elsewhere", "other", {});
  await read();
  await watching();
  cluster.put("events", "shop", "started", { reason: "Started", count: 1 });
  cluster.put("events", "shop", "started", { reason: "Started", count: 2 });
  cluster.remove("events", "shop", "pulled");
  await expect.poll(names).toEqual(["add pulled", "add started", "update started", "delete pulled"]);
  const json = (i: number) => JSON.parse(String(Buffer.from(given[i]?.data ?? [])));
  expect(json(0)).toMatchObject({
    event: "add",
    oldVal: { metadata: { creationTimestamp: null }, involvedObject: {}, firstTimestamp: null },
    newVal: { reason: "Pulled", metadata: { name: "pulled", namespace: "shop" } },
  });
  expect(json(2)).toMatchObject({ event: "update", oldVal: { count: 1 }, newVal: { count: 2 } });
  expect(json(3)).toMatchObject({ event: "delete", oldVal: { reason: "Pulled" }, newVal: { source: {} } });
});

test("a watch that the server ends goes on where it was", async () => {
  const { cluster, read, names, watching } = await reading();
  await read();
  await watching();
  cluster.put("events", "shop", "one", {});
  await expect.poll(names).toEqual(["add one"]);
  cluster.endWatches();
  cluster.put("events", "shop", "two", {});
  await expect.poll(names).toEqual(["add one", "add two"]);
  expect(cluster.requests.filter((request) => /events\?limit/.test(request))).toHaveLength(1);
});

test("what happens while the server is away is neither missed nor given twice", async () => {
  const { cluster, read, names, watching, proxy, clock } = await reading();
  await read();
  await watching();
  cluster.put("events", "shop", "one", {});
  cluster.put("events", "shop", "two", {});
  await expect.poll(names).toHaveLength(2);
  proxy.refuse(true);
  await expect.poll(() => cluster.watching).toBe(0);
  cluster.put("events", "shop", "three", {});
  cluster.remove("events", "shop", "one");
  await expect.poll(() => clock.advance(30_000).then(() => clock.pending)).toBeGreaterThan(0);
  proxy.refuse(false);
  await expect
    .poll(async () => {
      await clock.advance(30_000);
      return names();
    })
    .toEqual(["add one", "add two", "add three", "delete one"]);
});

test.each(["at once", "by a line"])(
  "a past that the server no longer knows, said %s, is read anew as differences",
  async (how) => {
    const { cluster, read, names, watching, proxy, clock } = await reading();
    await read();
    await watching();
    cluster.put("events", "shop", "one", { count: 1 });
    cluster.put("events", "shop", "two", {});
    await expect.poll(names).toHaveLength(2);
    if (how === "at once") proxy.refuse(true);
    else cluster.endWatches({ type: "ERROR", object: { kind: "Status", code: 410, message: "too old" } });
    await expect.poll(() => cluster.watching).toBe(0);
    cluster.put("events", "shop", "one", { count: 2 });
    cluster.remove("events", "shop", "two");
    cluster.put("events", "shop", "three", {});
    cluster.compact();
    proxy.refuse(false);
    await expect
      .poll(async () => {
        await clock.advance(1000);
        return names().toSorted();
      })
      .toEqual(["add one", "add three", "add two", "delete two", "update one"]);
  },
);

test("an app that does not take an event gets the next one", async () => {
  const { cluster, read, names, watching } = await reading(async () => {
    throw new Error("not now");
  });
  await read();
  await watching();
  cluster.put("events", "shop", "one", {});
  cluster.put("events", "shop", "two", {});
  await expect.poll(names).toEqual(["add one", "add two"]);
});

test("a role that is missing is said in the log, and the watch begins when it is given", async () => {
  const { cluster, read, names, clock, log } = await reading();
  cluster.forbidden.add("list events in shop");
  cluster.put("events", "shop", "one", {});
  await read();
  const warned = () =>
    log.lines.some((line) => /no role allows to list and watch events in the namespace shop/.test(line));
  await expect.poll(warned).toBe(true);
  cluster.forbidden.clear();
  await expect
    .poll(async () => {
      await clock.advance(30_000);
      return names();
    })
    .toEqual(["add one"]);
});

test("a namespace that cannot be one, and a server that is not there, are refused", async () => {
  const { settings, proxy } = await reading();
  const opening = (more: object) => openDriver(kubernetes, { ...settings, ...more });
  await expect(opening({ namespace: "a/b" })).rejects.toThrow(/^namespace: "a\/b" is no namespace/);
  proxy.refuse(true);
  await expect(opening({})).rejects.toMatchObject({ reason: "openFailed" });
});
