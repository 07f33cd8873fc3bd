import { assign, type Member, type Share, type Strategy } from "./assignment.ts";
import type { Library } from "./library.ts";

/** What members of a group tell each other through its coordinator, in the form that Kafka's own clients use. */
export class GroupProtocol {
  readonly #library: Library;
  readonly #strategy: Strategy;

  constructor(library: Library, strategy: Strategy) {
    this.#library = library;
    this.#strategy = strategy;
  }

  /** What a member wants, and what it has. */
  encodeMember({ topics, owned, generation }: Omit<Member, "id">): Buffer {
    const userData = this.#strategy === "sticky" ? this.#encodeOwned(owned, generation) : Buffer.alloc(0);
    return this.#library.encodeConsumerProtocolSubscription({ version: 0, topics: [...topics], userData });
  }

  decodeMember(id: string, metadata: Buffer): Member {
    const { topics, userData } = this.#library.decodeConsumerProtocolSubscription(metadata);
    return { id, topics, ...this.#decodeOwned(userData) };
  }

  #encodeOwned(owned: Share, generation: number): Buffer {
    return this.#library.Writer.create()
      .appendArray(
        [...owned],
        (writer, [topic, partitions]) => {
          writer
            .appendString(topic, false)
            .appendArray([...partitions], (inner, partition) => void inner.appendInt32(partition), false, false);
        },
        false,
        false,
      )
      .appendInt32(generation).buffer;
  }

  /** Nothing where another client has written in another form. */
  #decodeOwned(userData: Buffer | null): Pick<Member, "owned" | "generation"> {
    const nothing = { owned: new Map(), generation: -1 };
    if (this.#strategy !== "sticky" || !userData || userData.length === 0) return nothing;
    try {
      const reader = this.#library.Reader.from(userData);
      const shares = reader.readArray(
        (one) => [one.readString(false), one.readArray((inner) => inner.readInt32(), false, false)] as const,
        false,
        false,
      );
      return { owned: new Map(shares), generation: reader.remaining >= 4 ? reader.readInt32() : -1 };
    } catch {
      return nothing;
    }
  }

  /** What the leader of a round gives to each member. */
  assign(members: readonly Member[], counts: ReadonlyMap<string, number>): { memberId: string; assignment: Buffer }[] {
    return [...assign(this.#strategy, members, counts)].map(([memberId, share]) => ({
      memberId,
      assignment: this.#library.encodeConsumerProtocolAssignment({
        version: 0,
        assignedPartitions: [...share].map(([topic, partitions]) => ({ topic, partitions: [...partitions] })),
        userData: null,
      }),
    }));
  }

  /** The partitions of one topic in what a member was given. */
  decodeShare(assignment: Buffer, topic: string): readonly number[] {
    const { assignedPartitions } = this.#library.decodeConsumerProtocolAssignment(assignment);
    return assignedPartitions.flatMap((one) => (one.topic === topic ? one.partitions : []));
  }
}
