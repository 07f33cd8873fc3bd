import type { Static, TObject } from "typebox";

/** Text log with fields; never pass secrets. */
export interface Log {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** The only source of time; tests put a fake one in its place. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs `run` once after `ms`; the returned function takes it back. Never keeps the process alive. */
  after(ms: number, run: () => void): () => void;
}

/** One call from a block to a driver. */
export interface Call {
  /** Aborts when the caller has left or a policy's timeout has passed; the driver stops work it can stop. */
  readonly signal?: AbortSignal | undefined;
}

/** What a driver is given when it is opened. */
export interface OpenContext {
  /** metadata.name of the component. */
  readonly name: string;
  readonly appId: string;
  readonly namespace: string;
  /** Folder for what the embedded default keeps; made on first use. */
  readonly dataDir: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Aborts at initTimeout and at shutdown. */
  readonly signal: AbortSignal;
}

/** Every opened component. */
export interface Opened {
  /** Idempotent; settles when nothing of the component is left open. */
  close(): Promise<void>;
  /** Rejects with the reason when the backend cannot serve now. Absent: always healthy. */
  ping?(call: Call): Promise<void>;
  /** What this component can do, where only opening it tells. Absent: what its driver declares. */
  readonly capabilities?: readonly string[];
}

/** How far a driver has come: alpha may change, beta is complete, stable is proven against real servers. */
export type Status = "alpha" | "beta" | "stable";

/** What every driver's definition has in common. */
export interface Definition<M extends TObject = TObject> {
  /** `<category>.<name>`, as in spec.type. */
  readonly type: string;
  /** Further names of the same driver in spec.type. */
  readonly aliases?: readonly string[];
  /** spec.version; v1 when absent. */
  readonly version?: string;
  readonly status: Status;
  /** One sentence for the catalogue. */
  readonly summary: string;
  /** The only description of the settings: types, validation, defaults and documentation come from it. */
  readonly metadata: M;
}

/** Intersection of the promises that the declared capability names stand for. */
export type All<Capabilities, C extends keyof Capabilities> = [C] extends [never]
  ? unknown
  : { [K in C]: (x: Capabilities[K]) => void }[C] extends (x: infer I) => void
    ? I
    : never;

/** Opens one component; rejects with a reason and leaves nothing open when it cannot. */
export type Open<M extends TObject, T> = (settings: Static<M>, context: OpenContext) => Promise<T>;

/** Something that goes on until it is closed. */
export interface Subscription {
  /** Takes no more work and settles when what was in flight is settled. Idempotent. */
  close(): Promise<void>;
}
