import type { Clock } from "../contract/driver.ts";
import { ClosedError } from "./failures.ts";
import type { SessionOptions } from "./session.ts";
import { Session } from "./session.ts";

export interface PoolOptions {
  readonly session: SessionOptions;
  /** Most sessions at a time. */
  readonly maxOpen: number;
  /** Most sessions that are kept while nobody uses them. */
  readonly maxIdle: number;
  /** Milliseconds after which a session that nobody uses is closed; 0: never. */
  readonly maxIdleMs: number;
  /** Milliseconds after which a session is not used again; 0: never. */
  readonly maxLifeMs: number;
  readonly clock: Clock;
}

interface Idle {
  readonly session: Session;
  readonly cancelEnd: () => void;
}

interface Waiter {
  readonly take: (session: Session) => void;
  readonly fail: (error: unknown) => void;
}

/** A statement that is not told to end within so long is left to the server. */
const graceMs = 1000;

/** The sessions of one component. */
export class Pool {
  readonly #options: PoolOptions;
  readonly #idle: Idle[] = [];
  readonly #waiting = new Set<Waiter>();
  /** What is not closed yet. */
  readonly #ending = new Set<Promise<unknown>>();
  #open = 0;
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** A session for one use; give it back with `giveBack`. Rejects as soon as the signal aborts. */
  take(signal: AbortSignal | undefined): Promise<Session> {
    if (this.#isClosed) return Promise.reject(new ClosedError());
    const session = this.#takeIdle();
    if (session) return Promise.resolve(session);
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        this.#waiting.delete(waiter);
        signal?.removeEventListener("abort", leave);
        done();
      };
      const waiter: Waiter = {
        take: (taken) => settle(() => resolve(taken)),
        fail: (error) => settle(() => reject(error)),
      };
      const leave = () => waiter.fail(signal?.reason);
      this.#waiting.add(waiter);
      signal?.addEventListener("abort", leave, { once: true });
      this.#openForWaiting();
    });
  }

  #takeIdle(): Session | undefined {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      idle.cancelEnd();
      if (!idle.session.isLost && !this.#isOld(idle.session)) return idle.session;
      this.#end(idle.session);
    }
    return undefined;
  }

  #openForWaiting(): void {
    const { maxOpen, session, clock } = this.#options;
    if (this.#open >= maxOpen || this.#waiting.size === 0) return;
    this.#open += 1;
    const opening = Session.open(session, clock.now()).then(
      (opened) => {
        void opened.closed.then(() => {
          this.#drop(opened);
          this.#closed();
        });
        this.#offer(opened);
      },
      (error: unknown) => {
        this.#closed();
        // Whoever came first fails; the next one has its own attempt.
        for (const waiter of this.#waiting) {
          waiter.fail(error);
          break;
        }
        this.#openForWaiting();
      },
    );
    this.#track(opening);
  }

  #closed(): void {
    this.#open -= 1;
    this.#openForWaiting();
  }

  /** @param isBroken it is closed instead of being used again */
  giveBack(session: Session, isBroken: boolean): void {
    if (isBroken) session.destroy();
    this.#offer(session);
  }

  #offer(session: Session): void {
    const { maxIdle, maxIdleMs, clock } = this.#options;
    const [waiter] = this.#waiting;
    const isUsable = !session.isLost && !this.#isOld(session);
    if (isUsable && waiter) {
      waiter.take(session);
    } else if (isUsable && !this.#isClosed && this.#idle.length < maxIdle) {
      const end = () => {
        this.#drop(session);
        this.#end(session);
      };
      this.#idle.push({ session, cancelEnd: maxIdleMs > 0 ? clock.after(maxIdleMs, end) : () => {} });
    } else {
      this.#end(session);
    }
  }

  /** It is no longer one of those that can be taken. */
  #drop(session: Session): void {
    const at = this.#idle.findIndex((idle) => idle.session === session);
    if (at >= 0) this.#idle.splice(at, 1)[0]?.cancelEnd();
  }

  #isOld({ openedAt }: Session): boolean {
    const { maxLifeMs, clock } = this.#options;
    return maxLifeMs > 0 && clock.now() - openedAt >= maxLifeMs;
  }

  #end(session: Session): void {
    if (session.isLost) session.destroy();
    this.#track(session.isLost ? session.closed : this.#within(session.end(), session));
  }

  /** A server that does not answer a goodbye is left all the same. */
  async #within(ended: Promise<void>, session: Session): Promise<void> {
    const cancel = this.#options.clock.after(graceMs, () => session.destroy());
    await ended;
    cancel();
  }

  /** Breaks a session and asks the server to end what it does there. */
  interrupt(session: Session): void {
    session.destroy();
    this.#track(this.#kill(session).catch(() => {}));
  }

  async #kill({ server, id }: Session): Promise<void> {
    const { session, clock } = this.#options;
    const client = { ...session.client, connectTimeout: graceMs };
    const killer = await Session.open({ ...session, client }, clock.now());
    const cancel = clock.after(graceMs, () => killer.destroy());
    try {
      // Behind one address there may be several servers, each of which counts its sessions by itself.
      if (killer.server === server) await killer.query(`KILL ${id}`);
      await killer.end();
    } finally {
      cancel();
    }
  }

  #track(ending: Promise<unknown>): void {
    this.#ending.add(ending);
    void ending.finally(() => this.#ending.delete(ending));
  }

  /** Closes what nobody uses, and the rest as it is given back; settles when all is closed that has been given back. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const waiter of this.#waiting) waiter.fail(new ClosedError());
    for (const { session, cancelEnd } of this.#idle.splice(0)) {
      cancelEnd();
      this.#end(session);
    }
    while (this.#ending.size > 0) await Promise.allSettled(this.#ending);
  }
}
