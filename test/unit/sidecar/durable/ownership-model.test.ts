import { describe, expect, test } from "vitest";

// The protocol of docs/decisions/ownership.md as a small machine, explored state by state: two members, a store, and
// requests that arrive late, in any order, or never. Leases do not appear: a member may try to take the partition at any
// moment, as if every lease had always just ended, so that what holds here holds for all clocks.

interface Request {
  readonly kind: "take" | "commit" | "release";
  readonly member: number;
  /** Version of the owner record that it was made for. */
  readonly version: number;
}

interface State {
  readonly owner: number | null;
  readonly version: number;
  /** What each member believes to own the partition by; null: nothing. */
  readonly fences: readonly (number | null)[];
  readonly underWay: readonly Request[];
  /** Greatest version by which a commit was taken. */
  readonly committed: number;
}

const members = [0, 1];
const mostVersions = 4;
const mostUnderWay = 3;
const first: State = { owner: null, version: 0, fences: [null, null], underWay: [], committed: 0 };

const replaced = <T>(list: readonly T[], at: number, value: T): T[] => list.with(at, value);

/** What may happen next. `isFenced`: whether the store compares versions, as it must. */
function* next(state: State, isFenced: boolean): Generator<State> {
  const { fences, underWay, version } = state;
  for (const member of members) {
    const fence = fences[member] ?? null;
    if (underWay.length < mostUnderWay) {
      if (version < mostVersions) yield { ...state, underWay: [...underWay, { kind: "take", member, version }] };
      if (fence !== null) {
        yield { ...state, underWay: [...underWay, { kind: "commit", member, version: fence }] };
        const fencesAfter = replaced(fences, member, null);
        yield { ...state, fences: fencesAfter, underWay: [...underWay, { kind: "release", member, version: fence }] };
      }
    }
    // It dies, and what it believed with it; what it has sent is still under way.
    if (fence !== null) yield { ...state, fences: replaced(fences, member, null) };
  }
  for (const [at, request] of underWay.entries()) {
    const rest = { ...state, underWay: underWay.toSpliced(at, 1) };
    yield rest;
    yield* arrive(rest, request, isFenced);
  }
}

function* arrive(state: State, { kind, member, version }: Request, isFenced: boolean): Generator<State> {
  const isTaken = !isFenced || version === state.version;
  if (!isTaken) {
    // A commit that is refused tells its sender that it owns nothing.
    const isNews = kind === "commit" && state.fences[member] === version;
    yield isNews ? { ...state, fences: replaced(state.fences, member, null) } : state;
    return;
  }
  if (kind === "commit") {
    yield { ...state, committed: Math.max(state.committed, version), ...violation(state, member, version) };
    return;
  }
  const after = { ...state, version: state.version + 1, owner: kind === "take" ? member : null };
  // The answer arrives, or is lost: then the member does not know that it owns the partition.
  yield after;
  if (kind === "take") yield { ...after, fences: replaced(state.fences, member, after.version) };
}

/** A commit is taken that must not be: of a member that was replaced, or behind one of a later owner. */
function violation({ owner, committed }: State, member: number, version: number) {
  return owner === member && version >= committed ? {} : { owner: -1 };
}

function explore(isFenced: boolean): { readonly states: number; readonly isViolated: boolean } {
  const seen = new Set<string>();
  const open = [first];
  for (let state = open.pop(); state; state = open.pop()) {
    if (state.owner === -1) return { states: seen.size, isViolated: true };
    const underWay = state.underWay.map((one) => JSON.stringify(one)).sort();
    const key = JSON.stringify({ ...state, underWay });
    if (seen.has(key) || state.version > mostVersions) continue;
    seen.add(key);
    open.push(...next(state, isFenced));
  }
  return { states: seen.size, isViolated: false };
}

describe("the protocol of ownership, in every order of events", () => {
  test("takes no commit of a member that has been replaced", () => {
    const { states, isViolated } = explore(true);
    expect(isViolated).toBe(false);
    expect(states).toBeGreaterThan(1000);
  });

  test("would take one without the fence, so that the exploration finds what it looks for", () => {
    expect(explore(false).isViolated).toBe(true);
  });
});
