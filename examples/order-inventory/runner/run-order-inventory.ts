import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { createClient, type MechaClient } from "@mecha/sdk";
import { findMistakes, itemLines, readBooks } from "./books.ts";
import { type Chaos, wreak } from "./chaos.ts";
import { feed } from "./feed.ts";
import { type Order, readOrders, readStock } from "./order.ts";
import { type Notification, Outcomes } from "./outcomes.ts";
import { Pair } from "./pair.ts";
import { freePorts } from "./ports.ts";
import { Progress } from "./progress.ts";
import { formatReport, percentile, type Report } from "./report.ts";
import { findServices } from "./services.ts";
import { thingsToTry } from "./things-to-try.ts";

export interface RunOptions {
  /** End when the books are checked, instead of staying up until `signal`. */
  readonly once?: boolean;
  /** Kill sidecars while orders come in. */
  readonly chaos?: Chaos;
  /** Write nothing. */
  readonly quiet?: boolean;
  /** Go on with the state that an earlier run left, instead of starting clean. */
  readonly keep?: boolean;
  /** Use the TypeScript twins of the Python and the Go service. */
  readonly onlyNode?: boolean;
  /** Only the first so many lines of orders.jsonl. */
  readonly orders?: number;
  /** Folder for state and logs, cleaned of those of an earlier run. Default: `.mecha/order-inventory` of the project. */
  readonly folder?: string;
  /** Stops everything; the run then rejects with the signal's reason, unless its report was there already. */
  readonly signal?: AbortSignal;
}

const project = join(import.meta.dirname, "../../..");
const settleMs = 60_000;

/** Starts the services and their sidecars, sends the orders, checks the books, and stops everything. */
export async function runOrderInventory(options: RunOptions = {}): Promise<Report> {
  const { once = false, quiet = false, folder = join(project, ".mecha/order-inventory"), signal: asked } = options;
  const say = quiet ? () => {} : (text: string) => console.log(text);
  claim(folder, options.keep ?? false);
  const failed = new AbortController();
  const signal = asked ? AbortSignal.any([asked, failed.signal]) : failed.signal;
  const pairs: Pair[] = [];
  try {
    const services = findServices(options.onlyNode ?? false, say);
    const ports = await freePorts(services.length * 3);
    const take = () => ports.pop() as number;
    say("starting three services, each with a sidecar of its own");
    for (const service of services) {
      const place = { app: take(), http: take(), grpc: take() };
      pairs.push(new Pair(service, place, folder, (error) => failed.abort(error)));
      const { appId, language, note } = service;
      say(
        `  ${appId.padEnd(13)} ${language.padEnd(10)} sidecar http://127.0.0.1:${place.http}${note ? ` (${note})` : ""}`,
      );
    }
    await Promise.all(pairs.map((pair) => pair.untilReady(signal)));
    const report = await trade(pairs, options, signal);
    say(`\n${formatReport(report)}`);
    if (!once) {
      say(`\n${thingsToTry(pairs, report, relative(process.cwd(), join(folder, "logs")))}`);
      await untilAborted(signal);
      say("\nstopping");
      failed.signal.throwIfAborted();
    }
    return report;
  } catch (error) {
    // A program that ended says more than the calls that failed because of it.
    failed.signal.throwIfAborted();
    throw error;
  } finally {
    await Promise.all(pairs.map((pair) => pair.stop()));
    rmSync(join(folder, "pid"), { force: true });
  }
}

/** What a run leaves in its folder; nothing else in there is touched. */
const ours = /^(logs|(mecha|apps)\.db(-wal|-shm|-journal)?)$/;

/** Makes the folder, without the state of an earlier run unless that is to be kept. Throws when another run uses it. */
function claim(folder: string, keep: boolean): void {
  const pidFile = join(folder, "pid");
  const owner = findOwner(pidFile);
  if (owner !== undefined) throw new Error(`the example is running already, as process ${owner}; stop that one first`);
  mkdirSync(folder, { recursive: true });
  const left = readdirSync(folder).filter((name) => !keep && ours.test(name));
  for (const name of left) rmSync(join(folder, name), { recursive: true });
  writeFileSync(pidFile, String(process.pid));
}

function findOwner(pidFile: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile, "utf8"));
    process.kill(pid, 0);
    return pid;
  } catch {
    // There is no such file, or no such process any more.
    return undefined;
  }
}

/** A client of each service's sidecar. */
type Clients = Readonly<Record<"orders" | "inventory" | "notifications", MechaClient>>;

/** Sends the orders, waits for what becomes of them, and reads the books. */
async function trade(pairs: readonly Pair[], options: RunOptions, signal: AbortSignal): Promise<Report> {
  const entries = pairs.map((pair) => [pair.service.appId, createClient({ httpEndpoint: pair.url })] as const);
  // There is one of each.
  const clients = Object.fromEntries(entries) as unknown as Clients;
  const sent = readOrders(options.orders);
  const stock = readStock();
  await (await clients.inventory.invoke("inventory", "stock", { body: stock })).text();
  const before = await countOrders(clients);
  const outcomes = new Outcomes(clients.notifications.state<Notification>("statestore"));
  const stopFollowing = new AbortController();
  const following = outcomes.follow(AbortSignal.any([signal, stopFollowing.signal]));
  const started = performance.now();
  try {
    const kills = await send(sent, clients, outcomes, pairs, options, signal);
    const seconds = (performance.now() - started) / 1000;
    await Promise.all(pairs.map((pair) => pair.untilReady(signal)));
    const stores = {
      orders: clients.orders.state("statestore"),
      inventory: clients.inventory.state("statestore"),
      notifications: clients.notifications.state("statestore"),
    };
    const books = await readBooks(stores);
    const lines = itemLines(books, stock);
    const handled = await readCounters(clients);
    const flows = outcomes.flowsMs;
    return {
      sent: sent.length,
      orders: new Set(sent.map(({ id }) => id)).size,
      confirmed: outcomes.confirmed,
      rejected: outcomes.rejected,
      duplicatesIgnored: sent.length - (books.orders.size - before),
      repeatedEvents: handled.repeated,
      stock: lines,
      seconds,
      eventsPerSecond: handled.events / seconds,
      flowMs: flows.length === 0 ? undefined : { p50: percentile(flows, 0.5), p99: percentile(flows, 0.99) },
      kills,
      mistakes: findMistakes(books, lines, sent),
    };
  } finally {
    stopFollowing.abort();
    await following;
    await Promise.all(Object.values(clients).map((client) => client.close()));
  }
}

/** Sends the orders, spread over the kills where there are any. Resolves with the number of kills when all is settled. */
async function send(
  sent: readonly Order[],
  clients: Clients,
  outcomes: Outcomes,
  pairs: readonly Pair[],
  { chaos, quiet = false }: RunOptions,
  signal: AbortSignal,
): Promise<number> {
  let [placed, kills] = [0, 0];
  let struck = Promise.withResolvers<void>();
  const progress = new Progress(
    () =>
      `${placed}/${sent.length} sent   ${outcomes.confirmed} confirmed   ${outcomes.rejected} rejected   ` +
      `${outcomes.inFlight} under way${chaos ? `   ${kills}/${chaos.kills} sidecars killed` : ""}`,
    { quiet },
  );
  // Without chaos everything may go; with it, so much that there is traffic until the last kill.
  const mayGo = async (at: number) => {
    while (chaos && at >= ((kills + 1) / (chaos.kills + 1)) * sent.length) {
      signal.throwIfAborted();
      await struck.promise;
    }
  };
  const onKill = (count: number) => {
    kills = count;
    struck.resolve();
    struck = Promise.withResolvers();
  };
  const place = async (order: Order) => {
    const answer = await clients.orders.invoke("orders", "orders", { body: order, signal });
    // the call ends when its answer has been read
    await answer.text();
  };
  try {
    await Promise.all([
      feed({ orders: sent, place, outcomes, mayGo, onPlaced: () => placed++, signal }),
      chaos ? wreak(chaos, pairs, onKill, signal) : undefined,
    ]);
    // What has no outcome by then is lost, which the books tell.
    const patience = AbortSignal.timeout(settleMs);
    await outcomes.untilFewerThan(1, AbortSignal.any([signal, patience])).catch((error: unknown) => {
      if (!patience.aborted) throw error;
    });
    return kills;
  } finally {
    progress.close();
  }
}

async function countOrders({ orders }: Clients): Promise<number> {
  let count = 0;
  for await (const _ of orders.state("statestore").keys("order-", { pageSize: 1000 })) count++;
  return count;
}

/** Events that the services have handled, and those among them that they had handled before. */
async function readCounters(clients: Clients): Promise<{ events: number; repeated: number }> {
  const total = { events: 0, repeated: 0 };
  for (const [appId, client] of Object.entries(clients)) {
    const counters = await (await client.invoke(appId, "stats")).json<{ events: number; repeated: number }>();
    total.events += counters.events;
    total.repeated += counters.repeated;
  }
  return total;
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}
