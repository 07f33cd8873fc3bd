import { randomUUID } from "node:crypto";
import type { Call } from "../contract/driver.ts";
import type { Published, StoredMessage } from "./api.ts";
import { isApiError } from "./failures.ts";
import { type Link, parseAnswer } from "./link.ts";
import { idHeader } from "./message.ts";
import { toName } from "./subjects.ts";

/** Where an ordered group is in its stream, and which member works there. */
export interface Place {
  /** Of the member that works; empty: anybody may. */
  readonly owner: string;
  /** When the stream was made: the numbers mean nothing in another one of its name. */
  readonly born: string;
  /** Number of the last message that was read. */
  readonly read: number;
  /** Those up to it that are not settled, in their order: number, and how often they were handed over. */
  readonly open: readonly (readonly [seq: number, deliveries: number])[];
}

export interface Kept {
  readonly place: Place;
  /** Number of this version of the place; the next one replaces it only while it is the last. */
  readonly revision: number;
}

/** The stream of places. */
export const placesStream = "MECHA_GROUPS";
const prefix = "$MECHA.group";
export const placesSubjects = `${prefix}.>`;

/** Whether what a place was written as says that anybody may work there, as far as can be seen at its start. */
export const isFree = (text: string): boolean => text.startsWith('{"owner":""');

/** The place of one group in one stream: a message of its own, of which the server keeps the last version. */
export class GroupPlace {
  readonly #link: Link;
  /** Published to with each version. */
  readonly subject: string;

  constructor(link: Link, stream: string, group: string, topic: string) {
    this.#link = link;
    this.subject = `${prefix}.${toName(stream, group, topic)}`;
  }

  /** Undefined: the group is new, or there are no places at all. */
  async find(call: Call): Promise<Kept | undefined> {
    try {
      const ask = { last_by_subj: this.subject };
      const { message } = await this.#link.api<{ readonly message: StoredMessage }>(
        `STREAM.MSG.GET.${placesStream}`,
        ask,
        call,
      );
      const place = JSON.parse(Buffer.from(message.data ?? "", "base64").toString()) as Place;
      return { place, revision: message.seq };
    } catch (error) {
      if (isApiError(error, "noMessage") || isApiError(error, "noStream")) return undefined;
      throw error;
    }
  }

  /**
   * Writes the next version; rejects with the API's `wrongLastSequence` when somebody else has.
   * @param revision that of the version before; 0: there is none
   * @returns that of the new one
   */
  async put(place: Place, revision: number, call: Call): Promise<number> {
    const headers = this.#link.headers();
    headers.set("Nats-Expected-Last-Subject-Sequence", String(revision));
    // Sent again after a lost connection it is the same write.
    headers.set(idHeader, randomUUID());
    const answer = await this.#link.request(this.subject, JSON.stringify(place), { ...call, headers });
    return parseAnswer<Published>(answer).seq;
  }
}
