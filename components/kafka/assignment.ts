export const strategies = ["range", "roundrobin", "sticky"] as const;
export type Strategy = (typeof strategies)[number];

/** Partitions by topic. */
export type Share = ReadonlyMap<string, readonly number[]>;

export interface Member {
  readonly id: string;
  readonly topics: readonly string[];
  /** What it had, as far as it says so. */
  readonly owned: Share;
  /** The round in which it had that; of two who claim a partition the later one has it. */
  readonly generation: number;
}

/**
 * Shares the partitions of topics among the members of a group that subscribe to them, the same way on every member.
 * @param counts how many partitions each topic has
 */
export function assign(
  strategy: Strategy,
  members: readonly Member[],
  counts: ReadonlyMap<string, number>,
): ReadonlyMap<string, Share> {
  const shares = new Shares(members);
  const sorted = [...members].sort((left, right) => (left.id < right.id ? -1 : 1));
  const topics = [...counts.keys()].sort();
  const places = topics.flatMap((topic) =>
    Array.from({ length: counts.get(topic) ?? 0 }, (_, n) => [topic, n] as const),
  );
  if (strategy === "range") {
    for (const topic of topics) assignRange(shares, sorted, topic, counts.get(topic) ?? 0);
  } else if (strategy === "roundrobin") assignRoundRobin(shares, sorted, places);
  else assignSticky(shares, sorted, places);
  return shares.byMember;
}

type Place = readonly [topic: string, partition: number];

class Shares {
  readonly byMember = new Map<string, Map<string, number[]>>();

  constructor(members: readonly Member[]) {
    for (const { id } of members) this.byMember.set(id, new Map());
  }

  give(member: string, [topic, partition]: Place): void {
    const share = this.byMember.get(member);
    const partitions = share?.get(topic);
    if (partitions) partitions.push(partition);
    else share?.set(topic, [partition]);
  }

  take(member: string, [topic, partition]: Place): void {
    const share = this.byMember.get(member);
    const left = share?.get(topic)?.filter((one) => one !== partition) ?? [];
    if (left.length === 0) share?.delete(topic);
    else share?.set(topic, left);
  }

  size(member: string): number {
    let size = 0;
    for (const partitions of this.byMember.get(member)?.values() ?? []) size += partitions.length;
    return size;
  }
}

const subscribes =
  (topic: string) =>
  ({ topics }: Member) =>
    topics.includes(topic);

/** Each member gets neighbours; the first ones get one more when it does not come out even. */
function assignRange(shares: Shares, members: readonly Member[], topic: string, count: number): void {
  const takers = members.filter(subscribes(topic));
  let partition = 0;
  takers.forEach(({ id }, at) => {
    const size = Math.floor(count / takers.length) + (at < count % takers.length ? 1 : 0);
    for (let n = 0; n < size; n += 1) {
      shares.give(id, [topic, partition]);
      partition += 1;
    }
  });
}

function assignRoundRobin(shares: Shares, members: readonly Member[], places: readonly Place[]): void {
  let at = 0;
  for (const place of places) {
    for (let tried = 0; tried < members.length; tried += 1) {
      const member = members[at % members.length];
      at += 1;
      if (!member || !subscribes(place[0])(member)) continue;
      shares.give(member.id, place);
      break;
    }
  }
}

/** Everybody keeps what they have, as far as that is fair. */
function assignSticky(shares: Shares, members: readonly Member[], places: readonly Place[]): void {
  const owners = previousOwners(members);
  const free: Place[] = [];
  for (const place of places) {
    const owner = owners.get(nameOf(place));
    if (owner?.topics.includes(place[0])) shares.give(owner.id, place);
    else free.push(place);
  }
  const least = (topic: string) =>
    members.filter(subscribes(topic)).reduce<Member | undefined>((best, member) => {
      return best === undefined || shares.size(member.id) < shares.size(best.id) ? member : best;
    }, undefined);
  for (const place of free) {
    const member = least(place[0]);
    if (member) shares.give(member.id, place);
  }
  for (let isMoving = true; isMoving; ) isMoving = moveOne(shares, least);
}

/** Moves one partition from who has two more than who could have it; false: there is none. */
function moveOne(shares: Shares, least: (topic: string) => Member | undefined): boolean {
  const bySize = [...shares.byMember.keys()].sort((left, right) => shares.size(right) - shares.size(left));
  for (const from of bySize) {
    for (const [topic, partitions] of shares.byMember.get(from) ?? []) {
      const to = least(topic);
      const partition = partitions.at(-1);
      if (!to || partition === undefined || shares.size(from) - shares.size(to.id) < 2) continue;
      shares.take(from, [topic, partition]);
      shares.give(to.id, [topic, partition]);
      return true;
    }
  }
  return false;
}

const nameOf = ([topic, partition]: Place) => `${partition} ${topic}`;

function previousOwners(members: readonly Member[]): ReadonlyMap<string, Member> {
  const owners = new Map<string, Member>();
  for (const member of members) {
    for (const [topic, partitions] of member.owned) {
      for (const partition of partitions) {
        const name = nameOf([topic, partition]);
        const other = owners.get(name);
        if (!other || other.generation < member.generation) owners.set(name, member);
      }
    }
  }
  return owners;
}
