import type { ConfigurationUpdate } from "../blocks/configuration.ts";
import type { Metadata } from "../blocks/state-options.ts";
import { toText } from "../byte-stream.ts";
import { reply, toReply } from "./reply.ts";
import { type AppRequest, refuse } from "./request.ts";
import type { AppRoute } from "./route.ts";

/**
 * Something happened outside.
 *
 * @example
 * ```ts
 * import { type BindingEvent, createApp } from "@mecha/sdk";
 *
 * const onFile = (event: BindingEvent<{ name: string }>) => console.log(event.data.name, event.metadata["x-size"]);
 * createApp({ bindings: { uploads: onFile } });
 * ```
 */
export interface BindingEvent<T = unknown> {
  /** Of the binding. */
  readonly name: string;
  /** JSON, or a text that is none; undefined when the event is empty. Nobody has checked that it is a T. */
  readonly data: T;
  readonly bytes: Uint8Array;
  /** Names in lower case. */
  readonly metadata: Metadata;
}

/**
 * A job's time has come.
 *
 * @example
 * ```ts
 * import { createApp, type JobEvent } from "@mecha/sdk";
 *
 * createApp({ jobs: { backup: async (event: JobEvent<{ full: boolean }>) => console.log(event.name, event.data.full) } });
 * ```
 */
export interface JobEvent<T = unknown> {
  /** Of the job. */
  readonly name: string;
  /** As it was scheduled. Nobody has checked that it is a T. */
  readonly data: T;
}

/**
 * Handlers by name. They are methods of their type, so that handlers of different data can stand side by side.
 *
 * @example
 * ```ts
 * import { createApp, type Handlers, type JobEvent } from "@mecha/sdk";
 *
 * const jobs: Handlers<JobEvent> = { backup: (event: JobEvent<{ full: boolean }>) => console.log(event.data.full) };
 * createApp({ jobs });
 * ```
 */
export interface Handlers<E> {
  readonly [name: string]: { handle(event: E, request: AppRequest): unknown }["handle"];
}

/** Input bindings: the sidecar asks by OPTIONS whether their events are wanted. */
export function bindingRoutes(bindings: Handlers<BindingEvent>): AppRoute[] {
  return Object.entries(bindings).flatMap(([name, handle]): AppRoute[] => {
    const path = `/${name.replace(/^\/+/, "")}`;
    const what = `the binding ${name}`;
    return [
      { verb: "OPTIONS", path, what, handle: () => reply(200) },
      {
        ...{ verb: "POST", path, what },
        async handle(request) {
          const bytes = await request.bytes();
          const event = { name, data: looselyJson(bytes), bytes, metadata: request.headers };
          // Only 200 ends the sidecar's tries.
          return toReply(await handle(event, request), 200);
        },
      },
    ];
  });
}

function looselyJson(bytes: Uint8Array): unknown {
  if (bytes.byteLength === 0) return undefined;
  const text = toText(bytes);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Jobs; one that nobody handles is answered 404, which ends it. */
export function jobRoutes(jobs: Handlers<JobEvent>): AppRoute[] {
  return [
    {
      ...{ verb: "POST", path: "/job/:name", what: "the jobs" },
      async handle(request) {
        const name = request.params["name"] ?? "";
        const handle = Object.hasOwn(jobs, name) ? jobs[name] : undefined;
        if (!handle) throw refuse(404, `no job ${name} is handled here`);
        await handle({ name, data: looselyJson(await request.bytes()) }, request);
        return reply(200);
      },
    },
  ];
}

/** Changes of configuration, by store. The sidecar tells of each key with the whole update. */
export function configurationRoutes(stores: Handlers<ConfigurationUpdate>): AppRoute[] {
  return [
    {
      ...{ verb: "POST", path: "/configuration/:store/:key", what: "the changes of configuration" },
      async handle(request) {
        const { store = "" } = request.params;
        const handle = Object.hasOwn(stores, store) ? stores[store] : undefined;
        if (!handle) throw refuse(404, `no changes of ${store} are handled here`);
        const { id = "", items = {} } = await request.json<Partial<ConfigurationUpdate>>();
        await handle({ id, items: withMetadata(items) }, request);
        return reply(200);
      },
    },
  ];
}

function withMetadata(items: ConfigurationUpdate["items"]): ConfigurationUpdate["items"] {
  return Object.fromEntries(
    Object.entries(items).map(([key, { value = "", version = "", metadata = {} }]) => [
      key,
      { value, version, metadata },
    ]),
  );
}

/** Methods that other apps call: `"orders"` for any verb, `"GET orders/:id"` for one. */
export function invokeRoutes(methods: Handlers<AppRequest>): AppRoute[] {
  return Object.entries(methods).map(([key, handle]) => {
    const [, verb, path = ""] = /^(?:([A-Za-z]+) +)?\/*(\S*)$/.exec(key) ?? [];
    if (/\s/.test(key.trim().replace(/^[A-Za-z]+ +/, ""))) {
      throw new TypeError(`invoke: ${JSON.stringify(key)} must be a path, or a verb and a path`);
    }
    return {
      ...{ verb: verb?.toUpperCase(), path: `/${path}`, what: `the method ${key}` },
      handle: async (request) => toReply(await handle(request, request), 204),
    };
  });
}
