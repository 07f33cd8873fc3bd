import { causeText, MechaError } from "../../specs/errors.ts";
import type { Clock, Log } from "../contract/driver.ts";
import type { KubeObject, KubernetesApi } from "./api.ts";

/** What has happened to an object; `before` as it was last seen. */
export interface Change<T extends KubeObject> {
  readonly type: "add" | "update" | "delete";
  readonly before: T | undefined;
  readonly now: T | undefined;
}

/** A line of a watch. */
interface Line<T> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: T & { readonly code?: number; readonly message?: string };
}

export interface Watched {
  readonly api: KubernetesApi;
  readonly path: string;
  /** In words, for errors: `list events in the namespace a`. */
  readonly what: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Name of the component. */
  readonly name: string;
}

const againAfterMs = { least: 500, most: 30_000 };

/**
 * All objects below a path as additions, and then whatever changes, until `signal` aborts. A watch that ends goes on where
 * it was; when the server no longer knows that place, the list is read anew and what differs from before is given, so
 * that nothing is missed or given twice. Failures are logged and tried again.
 */
export async function* changes<T extends KubeObject>(
  watched: Watched,
  signal: AbortSignal,
): AsyncGenerator<Change<T>, void, undefined> {
  const { api, path, what, log, name } = watched;
  const known = new Map<string, T>();
  let version: string | undefined;
  let failures = 0;
  while (!signal.aborted) {
    try {
      if (version === undefined) {
        const list = await api.list<T>(path, what, signal);
        yield* differences(known, list.items);
        version = list.resourceVersion;
      }
      const stream = await api.watch(path, version, what, signal);
      if (!stream) {
        version = undefined;
        continue;
      }
      let isSilent = true;
      for await (const line of linesOf<T>(stream.body)) {
        isSilent = false;
        failures = 0;
        if (line.type === "ERROR") {
          version = undefined;
          if (line.object.code !== 410) log.warn("a watch failed", { component: name, error: line.object.message });
          break;
        }
        version = line.object.metadata.resourceVersion ?? version;
        const change = applied(known, line);
        if (change) yield change;
      }
      // A server that ends each watch at once is not asked all the time.
      if (isSilent) await wait(watched.clock, againAfterMs.least, signal);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      const againMs = Math.min(againAfterMs.most, againAfterMs.least * 2 ** Math.min(failures - 1, 10));
      // A watch that the server cuts off is nothing to worry about, unless it goes on.
      if (failures > 1 || error instanceof MechaError) {
        log.warn("changes cannot be read; trying again", { component: name, againMs, error: causeText(error) });
      }
      await wait(watched.clock, againMs, signal);
    }
  }
}

const keyOf = ({ metadata }: KubeObject) => metadata.uid ?? `${metadata.namespace ?? ""}/${metadata.name}`;

function* differences<T extends KubeObject>(known: Map<string, T>, items: readonly T[]): Generator<Change<T>> {
  const gone = new Map(known);
  for (const now of items) {
    const before = gone.get(keyOf(now));
    gone.delete(keyOf(now));
    if (before && before.metadata.resourceVersion === now.metadata.resourceVersion) continue;
    known.set(keyOf(now), now);
    yield { type: before ? "update" : "add", before, now };
  }
  for (const [key, before] of gone) {
    known.delete(key);
    yield { type: "delete", before, now: undefined };
  }
}

/** Keeps what the line says. Undefined: it says nothing new. */
function applied<T extends KubeObject>(known: Map<string, T>, { type, object }: Line<T>): Change<T> | undefined {
  if (type === "BOOKMARK" || type === "ERROR") return undefined;
  const before = known.get(keyOf(object));
  if (type === "DELETED") {
    known.delete(keyOf(object));
    return { type: "delete", before: object, now: undefined };
  }
  if (before && before.metadata.resourceVersion === object.metadata.resourceVersion) return undefined;
  known.set(keyOf(object), object);
  return { type: before ? "update" : "add", before, now: object };
}

async function* linesOf<T>(body: AsyncIterable<Uint8Array>): AsyncGenerator<Line<T>> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) if (part.trim() !== "") yield JSON.parse(part) as Line<T>;
  }
}

function wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
  });
}
