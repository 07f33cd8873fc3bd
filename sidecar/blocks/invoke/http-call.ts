import { causeText, codes, fail, MechaError } from "../../../specs/errors.ts";
import { asStream, readBody, readShort, takeWhole } from "../../kernel/body.ts";
import type { Answer, Exchange } from "../../kernel/exchange.ts";
import { announcedLength } from "../../kernel/headers.ts";
import { abandoned, StatusFailure } from "../../kernel/status.ts";
import type { Destination } from "./destinations.ts";
import { keptBytes } from "./replay.ts";

/** A body this small is read before it is sent, even if it is sent once: that costs less than a stream. */
const smallBytes = 64 * 1024;

/**
 * Sends an exchange to its destination, again where a policy says so. An answer that is refused by its status counts as a
 * failure for the user's policies; the last one is the answer all the same.
 * Rejects with a reason of ERR_DIRECT_INVOKE, or with what is wrong with the request.
 */
export async function callHttp(destination: Destination, exchange: Exchange): Promise<Answer> {
  const { id, policy } = destination;
  try {
    const ready = { ...exchange, body: await bodyFor(exchange, policy?.retries === true) };
    if (!policy) return await attempt(destination, ready);
    return await new PolicedCall(destination, ready).run();
  } catch (error) {
    if (exchange.signal.aborted) throw abandoned(exchange.signal, `the call of ${id}`);
    throw asDirectInvoke(id, error);
  }
}

/** Read into memory when it is small or may have to be sent again; otherwise it passes as it comes. */
function bodyFor({ body, headers }: Exchange, retries: boolean): Promise<Exchange["body"]> | Exchange["body"] {
  if (body === undefined || body instanceof Uint8Array) return body;
  const length = announcedLength(headers);
  if (length === undefined || length > (retries ? keptBytes : smallBytes)) return body;
  return takeWhole(body, headers) ?? readBody(body, length);
}

async function attempt(destination: Destination, exchange: Exchange): Promise<Answer> {
  const target = await destination.http(exchange.signal);
  return target.send(exchange);
}

/** One call under a policy. */
class PolicedCall {
  readonly #destination: Destination;
  readonly #exchange: Exchange;
  /** Whether the body is there to be sent again. */
  readonly #replayable: boolean;
  /** The answer of the last attempt, when its status was refused. */
  #refused: Answer | undefined;

  constructor(destination: Destination, exchange: Exchange) {
    this.#destination = destination;
    this.#exchange = exchange;
    this.#replayable = exchange.body === undefined || exchange.body instanceof Uint8Array;
  }

  async run(): Promise<Answer> {
    const { policy, builtIn } = this.#destination;
    const { signal, path } = this.#exchange;
    try {
      return (await policy?.run((within) => this.#attempt(within), {
        signal,
        method: path,
        retriable: (error) => this.#replayable && (!builtIn || wasLost(error)),
      })) as Answer;
    } catch (error) {
      if (this.#refused && error instanceof StatusFailure) return this.#refused;
      this.#refused?.body.destroy();
      throw error;
    }
  }

  async #attempt(within: AbortSignal | undefined): Promise<Answer> {
    this.#refused?.body.destroy();
    this.#refused = undefined;
    const { signal } = this.#exchange;
    // The policy's signal lives as long as the attempt, the caller's as long as the answer.
    const both = within && within !== signal ? AbortSignal.any([signal, within]) : signal;
    const answer = await attempt(this.#destination, { ...this.#exchange, signal: both });
    const { status } = answer;
    if (this.#destination.builtIn || (status >= 200 && status < 400)) return answer;
    this.#refused = await this.#kept(answer);
    throw new StatusFailure({ http: status }, `${this.#destination.id} answered ${status}`);
  }

  /** Nobody reads a refused answer until the policy has decided, and the app must not wait for that. */
  async #kept(answer: Answer): Promise<Answer> {
    const { policy } = this.#destination;
    if (!policy?.retries || !this.#replayable) return answer;
    const whole = await readShort(answer.body, keptBytes);
    return whole ? { ...answer, body: asStream(whole) } : answer;
  }
}

/** Whether the call, or its answer, was lost between the sidecars. */
export function wasLost(error: unknown): boolean {
  if (!(error instanceof MechaError)) return false;
  const { grpc } = codes[error.row.code];
  return error.reason !== "appUnreachable" && (grpc === codes.unavailable.grpc || grpc === codes.unauthenticated.grpc);
}

/** The request's own mistakes stay what they are; everything else is a failure of the call of `id`. */
function asDirectInvoke(id: string, error: unknown): unknown {
  if (error instanceof MechaError) {
    const { tag, code } = error.row;
    if (tag === "ERR_DIRECT_INVOKE" || code === "invalid_argument") return error;
  }
  return fail("invokeFailed", { id, cause: causeText(error) }, { cause: error });
}
