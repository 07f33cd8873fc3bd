// What every store must outlive: its server crashing, connections breaking, a way that lets nothing through.
import { describe, expect, test } from "vitest";
import type { StateDriver } from "../../components/contract/state.ts";
import { bytes, fresh, openBench, type StateBench, toText } from "../conformance/target.ts";
import { requireService, type Server, startServer } from "../support/server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

type Texts = Readonly<Record<string, string>>;
type Store = StateBench["opened"];

export interface StateFaults {
  readonly driver: StateDriver;
  /** Name of the service, and one of its variants. */
  readonly service: string;
  readonly variant?: string;
  /** Metadata of the component for this server, reached by this port: the server's own, or that of a proxy before it. */
  readonly settings: (server: Server, port: number) => Texts;
  /** What the server holds is gone when it ends. */
  readonly isVolatile?: boolean;
}

const clients = 8;
const each = 60;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const reasonOf = (error: unknown) => (error as { reason?: string }).reason ?? String(error);
const unavailable = { reason: "backendUnavailable" };

/** Reasons with which a call may fail while something is broken. */
const expectFault = (error: unknown, ...others: readonly string[]) =>
  expect(["backendUnavailable", "deadlineExceeded", ...others]).toContain(reasonOf(error));

/** Does the work while faults happen, one after the other, spread over its steps. */
async function under(
  faults: readonly (() => unknown)[],
  steps: number,
  progress: () => number,
  work: Promise<unknown>,
): Promise<void> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  const happen = async () => {
    for (const [at, fault] of faults.entries()) {
      while (!isDone && progress() < ((at + 1) * steps) / (faults.length + 1)) await pause(2);
      await fault();
    }
  };
  await Promise.all([done, happen()]);
}

const crash = async (server: Server) => {
  await server.kill9();
  await server.restart();
};

/** Runs the cases over one store. */
export async function stateFaultSuite(target: StateFaults): Promise<void> {
  const { driver, service, variant, isVolatile = false } = target;
  const isMissing = !(await requireService(service));

  let started: Promise<Server> | undefined;

  /** The suite's own server, and stores behind a way that can be cut. */
  const faulty = async (count = 1) => {
    started ??= startServer(service, { own: true, ...(variant === undefined ? {} : { variant }) });
    const server = await started;
    const proxy = await startTcpProxy(server.port);
    const settings = () => target.settings(server, proxy.port);
    const open = async () => (await openBench({ driver, settings, time: "backend" })).opened as Store;
    const stores = await Promise.all(Array.from({ length: count }, open));
    const cut = () => proxy.cut();
    // A volatile server that crashes has nothing left to look at.
    const faults = isVolatile
      ? [cut, cut, cut, cut]
      : [cut, () => server.restart(), cut, () => crash(server), cut, () => crash(server)];
    return { server, proxy, stores, faults, store: stores[0] as Store };
  };

  describe.skipIf(isMissing)(`${driver.type} through faults`, { timeout: 120_000 }, () => {
    if (driver.capabilities.includes("etag")) {
      test(`no increment of ${clients} clients that write by etag is lost`, async () => {
        const { stores, faults } = await faulty(clients);
        const key = fresh("counter");
        let [written, mismatches, failures] = [0, 0, 0];
        const increment = async (store: Store, name: string) => {
          for (;;) {
            try {
              const entry = await store.get(key, {}, {});
              const counts = JSON.parse(toText(entry?.data) ?? "{}") as Record<string, number>;
              // What an answer that got lost had done shows here.
              const done = counts[name] ?? 0;
              if (done === each) return;
              const next = bytes(JSON.stringify({ ...counts, [name]: done + 1 }));
              await store.set(key, next, { etag: entry?.etag, concurrency: "first-write" }, {});
              written += 1;
            } catch (error) {
              expectFault(error, "etagMismatch");
              if (reasonOf(error) === "etagMismatch") mismatches += 1;
              else failures += 1;
              await pause(Math.random() * 10);
            }
          }
        };
        const started = performance.now();
        const work = stores.map((store, n) => increment(store, `client${n}`));
        await under(faults, each * clients, () => written, Promise.all(work));
        const total = JSON.parse(toText((await stores[0]?.get(key, {}, {}))?.data) ?? "{}");
        expect(total).toEqual(Object.fromEntries(stores.map((_, n) => [`client${n}`, each])));
        console.info(
          `${driver.type}: ${each * clients} increments, ${faults.length} faults, ${mismatches} mismatches, ${failures} failed calls in ${Math.round(performance.now() - started)} ms`,
        );
      });
    }

    test("no acknowledged write is lost", async () => {
      const { stores, faults } = await faulty(4);
      const keys = 100;
      const prefix = fresh("k");
      let written = 0;
      const write = async (store: Store, name: string) => {
        for (let n = 0; n < keys; n += 1) {
          const isTaken = () =>
            store.set(`${name}:${n}`, bytes(`${name}:${n}`), {}, {}).then(
              () => true,
              (error: unknown) => {
                expectFault(error);
                return false;
              },
            );
          while (!(await isTaken())) await pause(10);
          written += 1;
        }
      };
      const work = Promise.all(stores.map((store, n) => write(store, `${prefix}${n}`)));
      await under(faults, keys * stores.length, () => written, work);
      const names = stores.flatMap((_, s) => Array.from({ length: keys }, (_, n) => `${prefix}${s}:${n}`));
      const read = await Promise.all(names.map((name) => stores[0]?.get(name, {}, {})));
      expect(read.map((entry) => toText(entry?.data))).toEqual(names);
    });

    if (driver.capabilities.includes("transaction")) {
      test("a transaction that something breaks is done as a whole or not at all", async () => {
        const { stores, faults } = await faulty(4);
        const keys = ["a", "b", "c"].map(fresh);
        let written = 0;
        const write = async (store: Store, name: string) => {
          for (let n = 0; n < each; n += 1) {
            const data = bytes(`${name}:${n}`);
            // Others write the same keys the other way round.
            const order = name.endsWith("1") ? keys : keys.toReversed();
            const operations = order.map((key) => ({ kind: "set", key, data, options: {} }) as const);
            await store.transact?.(operations, {}).catch((error: unknown) => expectFault(error));
            written += 1;
          }
        };
        const look = async () => {
          const entries = await Promise.all(keys.map((key) => stores[0]?.get(key, {}, {})));
          return entries.map((entry) => toText(entry?.data));
        };
        await under(
          faults,
          each * stores.length,
          () => written,
          Promise.all(stores.map((store, n) => write(store, `s${n}`))),
        );
        const [a, b, c] = await look();
        expect([b, c]).toEqual([a, a]);
      });
    }

    test("a server that is away is named at once, and used again when it is back", async () => {
      const { server, store } = await faulty();
      await store.set("k", bytes("1"), {}, {});
      await server.kill9();
      const started = performance.now();
      const calls = [store.get("k", {}, {}), store.set("k", bytes("1"), {}, {}), store.ping?.({})];
      const settled = await Promise.allSettled(calls);
      const tookMs = performance.now() - started;
      const refusal = { ...unavailable, message: expect.stringMatching(/^under-test does not answer: ./) };
      expect(settled).toMatchObject(calls.map(() => ({ status: "rejected", reason: refusal })));
      expect(tookMs).toBeLessThan(4000);
      await server.restart();
      const writeAgain = () => store.set("k", bytes("2"), {}, {}).then(() => "written", reasonOf);
      const restarted = performance.now();
      await expect.poll(writeAgain, { timeout: 10_000 }).toBe("written");
      expect(toText((await store.get("k", {}, {}))?.data)).toBe("2");
      const back = Math.round(performance.now() - restarted);
      console.info(`${driver.type}: named after ${Math.round(tookMs)} ms, served ${back} ms after the restart`);
    });

    test("a way that lets nothing through ends a call with its caller, and serves again when it lets it", async () => {
      const { proxy, store } = await faulty();
      await store.set("k", bytes("1"), {}, {});
      proxy.hold(true);
      const started = performance.now();
      const signal = AbortSignal.timeout(100);
      await expect(store.get("k", {}, { signal })).rejects.toBeDefined();
      expect(performance.now() - started).toBeLessThan(1000);
      proxy.hold(false);
      const read = () => store.get("k", {}, {}).then((entry) => toText(entry?.data), reasonOf);
      await expect.poll(read, { timeout: 10_000 }).toBe("1");
    });

    test("a store is closed while its server is away, and leaves nothing behind", async () => {
      const { server, store } = await faulty();
      await store.set("k", bytes("1"), {}, {});
      await server.kill9();
      const call = store.get("k", {}, {}).then(String, reasonOf);
      await store.close();
      expect(await call).toBe("backendUnavailable");
      await expect(store.get("k", {}, {})).rejects.toMatchObject(unavailable);
      await server.restart();
    });
  });
}
