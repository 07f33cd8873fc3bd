import type { Claim } from "./message-log.ts";
import type { Settlement } from "./settling.ts";

/** What a consumer has of one key. */
interface Line {
  /** How many messages are in the handler. */
  active: number;
  /** How many settlements are on their way into the log. */
  written: number;
  /** The first that was handed back; from then on the line rests, until the log has all of it again. */
  failed: number;
  /** To be settled when nothing of the line is in the handler any more. */
  kept: Settlement[];
}

/**
 * Keeps the order of keys inside a consumer. When a message is handed back its line rests: nothing of it enters the
 * handler, and when the last has left, all that is not done goes back to the log together. So whoever takes the line next
 * starts with its first.
 */
export class Lines {
  readonly #lines = new Map<string, Line>();
  #kept = 0;

  /** How many claims wait here to go back. */
  get size(): number {
    return this.#kept;
  }

  /** Those that may enter the handler; the others go back. */
  admit(claims: readonly Claim[]): readonly Claim[] {
    return claims.filter((claim) => {
      const line = claim.key === null ? undefined : this.#lines.get(claim.key);
      if (!line || line.failed === Number.POSITIVE_INFINITY) return true;
      this.#keep(line, { claim, end: "back", wasActive: false });
      return false;
    });
  }

  /** A message of the key enters the handler. */
  enter(key: string): void {
    const line = this.#lines.get(key) ?? { active: 0, written: 0, failed: Number.POSITIVE_INFINITY, kept: [] };
    this.#lines.set(key, line);
    line.active += 1;
  }

  /** Whether a message was handed back because one before it was: it has not been tried by itself. */
  isBehind({ key, seq }: Claim): boolean {
    const line = key === null ? undefined : this.#lines.get(key);
    return line !== undefined && line.failed < seq;
  }

  /**
   * A message leaves the handler. Answers what is to be written now.
   * @param withdrawn claims of its key that wait for the handler; none unless it failed
   */
  settle(settlement: Settlement, isFailed: boolean, withdrawn: readonly Claim[]): readonly Settlement[] {
    const { claim, end } = settlement;
    const line = claim.key === null ? undefined : this.#lines.get(claim.key);
    if (!line) return [settlement];
    line.active -= 1;
    if (isFailed) line.failed = Math.min(line.failed, claim.seq);
    for (const one of withdrawn) this.#keep(line, { claim: one, end: "back", wasActive: false });
    const out: Settlement[] = [];
    if (end === "done") out.push(settlement);
    else this.#keep(line, settlement);
    if (line.active === 0) out.push(...this.#release(line));
    line.written += out.length;
    return out;
  }

  /** The settlement is in the log. Answers what is to be written after it. */
  committed({ claim: { key } }: Settlement): readonly Settlement[] {
    const line = key === null ? undefined : this.#lines.get(key);
    if (key === null || !line) return [];
    line.written -= 1;
    if (line.active + line.written > 0) return [];
    const late = this.#release(line);
    line.written = late.length;
    if (late.length === 0) this.#lines.delete(key);
    return late;
  }

  #keep(line: Line, settlement: Settlement): void {
    line.kept.push(settlement);
    this.#kept += 1;
  }

  #release(line: Line): readonly Settlement[] {
    this.#kept -= line.kept.length;
    return line.kept.splice(0);
  }
}
