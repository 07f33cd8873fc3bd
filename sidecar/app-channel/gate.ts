import { fail } from "../../specs/errors.ts";
import type { Answer, Exchange, GrpcTarget } from "../kernel/exchange.ts";
import { abandoned, failedAnswer, laterAnswer } from "../kernel/status.ts";
import type { Concurrency, Release } from "./concurrency.ts";
import type { AppWatch } from "./health.ts";

/** What every call passes before it reaches the app: its health, then a place under app-max-concurrency. */
export class Gate {
  readonly #concurrency: Concurrency;
  readonly #watch: AppWatch;

  constructor(concurrency: Concurrency, watch: AppWatch) {
    this.#concurrency = concurrency;
    this.#watch = watch;
  }

  /** Holds a place while `call` runs. */
  async during<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    const release = await this.#enter(signal);
    try {
      return await call();
    } finally {
      release();
    }
  }

  /** Holds a place until the answer's body has ended or was given up. */
  async answer(exchange: Exchange, send: (exchange: Exchange) => Promise<Answer>): Promise<Answer> {
    const release = await this.#enter(exchange.signal);
    try {
      const answer = await send(exchange);
      answer.body.once("close", release);
      return answer;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Holds a place until the call has ended. */
  calls(target: GrpcTarget): GrpcTarget {
    return {
      call: (call) =>
        laterAnswer(
          this.#enter(call.signal).then((release) => {
            const answer = target.call(call);
            void answer.status.then(release);
            return answer;
          }, failedAnswer),
        ),
    };
  }

  async #enter(signal: AbortSignal): Promise<Release> {
    if (this.#watch.refusesCalls) throw fail("appUnhealthy", {});
    try {
      return await this.#concurrency.take(signal);
    } catch {
      throw abandoned(signal, "waiting for the app");
    }
  }
}
