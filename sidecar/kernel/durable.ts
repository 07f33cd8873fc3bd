import type { Call } from "../../components/contract/driver.ts";
import type { JournalRange, JournalRecord, JournalWrite } from "../../components/contract/journal.ts";

/**
 * A part of an app's durable work that this sidecar owns. Only the owner commits to it: a commit of one that has been
 * replaced is refused by the store, whatever the replaced one believes.
 */
export interface Partition {
  readonly index: number;
  /** Aborts when the partition is, or may be, somebody else's; nothing may be begun then. */
  readonly lost: AbortSignal;
  read(keys: readonly string[], call: Call): Promise<readonly (JournalRecord | undefined)[]>;
  scan(range: JournalRange, call: Call): Promise<readonly JournalRecord[]>;
  /**
   * Makes all writes or none. Commits that wait together go to the store together, in their order. Rejects with
   * `ownershipLost` when the partition is somebody else's; nothing is written then.
   */
  commit(writes: readonly JournalWrite[]): Promise<void>;
}

/** What works in partitions. */
export interface PartitionWorker {
  /** Called when a partition has become this sidecar's; what an earlier owner left is to be gone on with. */
  open(partition: Partition): Promise<OpenedPartition>;
}

export interface OpenedPartition {
  /** Something was put into the partition from outside. */
  wake(): void;
  /** Ends what is under way at a good point; the partition is given to somebody else when it has settled. */
  close(): Promise<void>;
}

/** Where a partition is worked on. */
export interface PartitionOwner {
  readonly isSelf: boolean;
  /** Where the owner's sidecar takes calls of others. */
  readonly address: string;
}

/** Spreads the partitions of an app over its sidecars. */
export interface Ownership {
  /** The partition of something, by its name; the same in every sidecar of the app. */
  partitionOf(id: string): number;
  /** Undefined: nobody owns it at the moment. */
  ownerOf(partition: number, call: Call): Promise<PartitionOwner | undefined>;
  /**
   * Puts something into a partition, whoever owns it, under a new key that begins with `prefix` and sorts by time.
   * Resolves when it is durable. The owner is woken, at the latest after some seconds.
   */
  deposit(partition: number, prefix: string, data: Uint8Array, call: Call): Promise<void>;
  /** Reads a partition, whoever owns it. */
  peek(partition: number, keys: readonly string[], call: Call): Promise<readonly (JournalRecord | undefined)[]>;
  /** Scans a partition, whoever owns it. */
  peekRange(partition: number, range: JournalRange, call: Call): Promise<readonly JournalRecord[]>;
}
