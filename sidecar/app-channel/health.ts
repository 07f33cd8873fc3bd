import type { Clock, Log } from "../../components/contract/driver.ts";
import { causeText } from "../../specs/errors.ts";
import type { AppHealth } from "../kernel/app.ts";
import { withDeadline } from "../kernel/deadline.ts";

/** Looks once; rejects when the app does not answer well. */
export type Probe = (signal: AbortSignal) => Promise<void>;

export interface HealthParts {
  /** Opens a connection to the app's port and closes it again. */
  readonly dial: Probe;
  /** Absent: the app is healthy as soon as its port accepts. */
  readonly check?: {
    readonly probe: Probe;
    readonly intervalMs: number;
    readonly timeoutMs: number;
    /** Consecutive failures after which a healthy app counts as unhealthy. */
    readonly threshold: number;
  };
  /** `host:port`, for the log. */
  readonly address: string;
  readonly log: Log;
  readonly clock: Clock;
}

const dialTimeoutMs = 500;
const dialPauseMs = 100;
const dialsPerLine = 100;

/**
 * Knows whether the app can take work. It waits for the app's port without limit, then probes the app's health, or trusts
 * the port when no check is configured. Without a check, `suspect` is how it learns that the app has gone: it then waits
 * for the port again, so that whatever depends on the app starts anew when the app is back.
 */
export class AppWatch implements AppHealth {
  readonly #parts: HealthParts;
  readonly #listeners = new Set<(healthy: boolean) => void>();
  #healthy = false;
  #failures = 0;
  #looking = false;
  readonly #closing = new AbortController();
  #cancelTimer = () => {};

  constructor(parts: HealthParts) {
    this.#parts = parts;
  }

  get healthy(): boolean {
    return this.#healthy;
  }

  /** Whether calls must be refused while the app is not healthy. */
  get refusesCalls(): boolean {
    return this.#parts.check !== undefined && !this.#healthy;
  }

  watch(listener: (healthy: boolean) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#healthy);
    return () => this.#listeners.delete(listener);
  }

  /** Starts to wait for the port. */
  start(): void {
    this.#looking = true;
    void this.#awaitPort(1);
  }

  /** A call found nobody, or connections to the app were lost: look whether the port still accepts. */
  suspect(): void {
    if (this.#looking || this.#closing.signal.aborted || this.#parts.check) return;
    this.#looking = true;
    void this.#awaitPort(1);
  }

  /** Idempotent. No listener is called afterwards. */
  close(): void {
    this.#closing.abort();
    this.#listeners.clear();
    this.#cancelTimer();
  }

  async #awaitPort(dials: number): Promise<void> {
    const { dial, check, address, log, clock } = this.#parts;
    try {
      await withDeadline(clock, `connecting to ${address}`, dialTimeoutMs, this.#closing.signal, dial);
    } catch {
      if (this.#closing.signal.aborted) return;
      if (dials === 1 || dials % dialsPerLine === 0)
        log.info(`waiting for the app to listen on ${address}`, { tries: dials });
      this.#set(false);
      this.#later(dialPauseMs, () => this.#awaitPort(dials + 1));
      return;
    }
    if (this.#closing.signal.aborted) return;
    if (check) return this.#probe();
    this.#looking = false;
    this.#set(true);
  }

  async #probe(): Promise<void> {
    const { check, log, clock } = this.#parts;
    if (!check || this.#closing.signal.aborted) return;
    const started = clock.now();
    try {
      await withDeadline(clock, "the app's health check", check.timeoutMs, this.#closing.signal, check.probe);
      this.#failures = 0;
      this.#set(true);
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.#failures++;
      log.debug("the app failed a health check", { failures: this.#failures, cause: causeText(error) });
      if (this.#failures >= check.threshold) this.#set(false);
    }
    this.#later(Math.max(0, check.intervalMs - (clock.now() - started)), () => this.#probe());
  }

  #later(ms: number, run: () => Promise<void>): void {
    if (this.#closing.signal.aborted) return;
    this.#cancelTimer = this.#parts.clock.after(ms, () => void run());
  }

  #set(healthy: boolean): void {
    if (this.#closing.signal.aborted || healthy === this.#healthy) return;
    this.#healthy = healthy;
    const { address, log } = this.#parts;
    if (healthy) log.info("the app is healthy", { address });
    else log.warn("the app is not healthy any more", { address });
    for (const listener of this.#listeners) listener(healthy);
  }
}
