import { createHash } from "node:crypto";

/** A number for some text, the same everywhere; spread evenly. */
function hash(text: string): number {
  return createHash("sha1").update(text).digest().readUInt32BE(0);
}

/** The partition of something, 0 to `count` - 1. */
export const partitionOf = (id: string, count: number): number => hash(id) % count;

/**
 * The member that a partition belongs to: the one whose hash with it is greatest (rendezvous hashing), so that a member
 * that comes or goes moves only its own share. Undefined: there is no member.
 */
export function chosenMember(partition: number, members: Iterable<string>): string | undefined {
  let chosen: string | undefined;
  let greatest = -1;
  for (const member of members) {
    const value = hash(`${partition}/${member}`);
    if (value > greatest || (value === greatest && member > (chosen ?? ""))) [chosen, greatest] = [member, value];
  }
  return chosen;
}
