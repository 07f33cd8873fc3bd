import { causeText } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import type { Client } from "./client.ts";
import type { Link } from "./link.ts";
import { pause } from "./pause.ts";
import type { Entry, Stream } from "./stream.ts";
import type { Turn } from "./turn.ts";

/** What a reader asks and tells its consumer. */
export interface TurnReading {
  /** For people. */
  readonly name: string;
  /** How the names of consumers begin that work in turns. */
  readonly namePrefix: string;
  /** How many entries to fetch now; 0 or less: none until `wake` is called. */
  wanted(): number;
  /** Ids of the entries that the consumer holds. */
  held(): readonly string[];
  /** @param asked how many new ones could have come; undefined: they are not new */
  take(entries: readonly Entry[], asked?: number): void;
  /** @param from when it was asked for: its time is counted from there */
  onTurn(from: number): void;
  /** The turn is over before its time: another member may work. */
  onLost(): void;
  /** How long the server waits for messages before it answers that there are none. */
  readonly blockMs: number;
}

const failurePauseMs = 100;
/** How often a member asks whether it is its turn. */
const askMs = 250;
const longestSleepMs = 5000;

/** Reads a stream while it is its consumer's turn, and asks for the turn else. */
export class TurnReader {
  readonly #client: Client;
  readonly #link: Link;
  readonly #stream: Stream;
  readonly #turn: Turn;
  readonly #reading: TurnReading;
  readonly #context: OpenContext;
  readonly #ended: Promise<void>;
  #isWorking = false;
  /** There may be pending entries of others, or such as never arrived; they come before new ones. */
  #mayHaveLeft = true;
  #isFailing = false;
  #isClosing = false;
  #wake: (() => void) | undefined;

  /** @param link a connection of its own, which it closes: it waits in the server */
  constructor(client: Client, link: Link, stream: Stream, turn: Turn, reading: TurnReading, context: OpenContext) {
    this.#client = client;
    this.#link = link;
    this.#stream = stream;
    this.#turn = turn;
    this.#reading = reading;
    this.#context = context;
    this.#ended = this.#run();
  }

  /** It is the consumer's turn, as far as is known. */
  get isWorking(): boolean {
    return this.#isWorking;
  }

  /** There may be room for more. */
  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Looks for what was left before it reads on. */
  lookForLeft(): void {
    this.#mayHaveLeft = true;
  }

  async #run(): Promise<void> {
    // So that the consumer is complete before it is called.
    await Promise.resolve();
    while (!this.#isClosing) {
      try {
        // What was sent when something failed may be done later: it must find another word.
        if (this.#isFailing || !this.#isWorking) await this.#begin();
        this.#isFailing = false;
        if (this.#isWorking) await this.#readOnce();
        else await this.#sleep(askMs);
      } catch (error) {
        if (!this.#isClosing) await this.#failed(error);
      }
    }
  }

  async #begin(): Promise<void> {
    const from = this.#context.clock.now();
    const begun = await this.#turn.begin();
    if (begun !== "kept" && this.#isWorking) this.#lose();
    if (begun === "others") return;
    this.#isWorking = true;
    this.#mayHaveLeft = true;
    this.#reading.onTurn(from);
  }

  /** Fetches what is wanted, or waits until something is wanted or there. */
  async #readOnce(): Promise<void> {
    const { wanted, held, take, namePrefix, blockMs } = this.#reading;
    const asked = wanted();
    if (asked <= 0) {
      await this.#sleep(longestSleepMs);
      return;
    }
    if (this.#mayHaveLeft) {
      const left = await this.#turn.takeOver(namePrefix, asked, held());
      if (!left) return this.#lose();
      this.#mayHaveLeft = left.length === asked;
      return take(left);
    }
    const fresh = await this.#turn.read(asked);
    if (!fresh) return this.#lose();
    if (fresh.entries.length > 0) return take(fresh.entries, asked);
    if (this.#isClosing) return;
    const wait = (connection: Link["connection"]) => this.#turn.waitBehind(connection, fresh.lastId, blockMs);
    await this.#link.send(wait, {}, { once: true });
  }

  #lose(): void {
    const { name, onLost } = this.#reading;
    this.#context.log.warn(`${name}: the turn is over before its time; what waited comes to the next member`);
    this.#isWorking = false;
    onLost();
  }

  async #failed(error: unknown): Promise<void> {
    const { log, clock } = this.#context;
    const { name } = this.#reading;
    if (/\bNOGROUP\b/.test(causeText(error))) {
      log.warn(`${name}: its consumer group is gone, with what waited for it; it is made anew`);
      await this.#stream.ensureGroup({}).catch(() => {});
    } else if (!this.#isFailing) {
      log.warn(`${name}: cannot be read for now: ${causeText(this.#client.translate(error))}`);
    }
    this.#isFailing = true;
    await pause(clock, failurePauseMs);
  }

  /** Settles after so long, or when `wake` is called. */
  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#context.clock.after(ms, () => this.wake());
      this.#wake = () => {
        cancel();
        resolve();
      };
      if (this.#isClosing) this.wake();
    });
  }

  /** Settles when nothing more is taken. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.wake();
    // It only waits for messages there, none is delivered to it.
    await this.#link.abandon();
    await this.#ended;
  }
}
