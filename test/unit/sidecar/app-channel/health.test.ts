import { describe, expect, it } from "vitest";
import { AppWatch, type HealthParts } from "../../../../sidecar/app-channel/health.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

class Fixture {
  readonly clock = new FakeClock();
  readonly lines: string[] = [];
  readonly seen: boolean[] = [];
  portOpen: boolean;
  probeOk = true;
  probes = 0;
  dials = 0;
  readonly watch: AppWatch;

  constructor({ check, portOpen }: { check: boolean; portOpen: boolean }) {
    this.portOpen = portOpen;
    const note = (message: string) => void this.lines.push(message);
    const parts: HealthParts = {
      address: "127.0.0.1:3000",
      log: { debug: () => {}, info: note, warn: note, error: note },
      clock: this.clock,
      dial: async () => {
        this.dials++;
        if (!this.portOpen) throw new Error("refused");
      },
      ...(check
        ? {
            check: {
              intervalMs: 5000,
              timeoutMs: 500,
              threshold: 3,
              probe: async () => {
                this.probes++;
                if (!this.probeOk) throw new Error("503");
              },
            },
          }
        : {}),
    };
    this.watch = new AppWatch(parts);
    this.watch.watch((healthy) => void this.seen.push(healthy));
    this.watch.start();
  }
}

describe("an app without a health check", () => {
  it("is healthy as soon as its port accepts, however long that takes", async () => {
    const fixture = new Fixture({ check: false, portOpen: false });
    await fixture.clock.advance(0);
    await fixture.clock.advance(60_000);
    expect(fixture.seen).toEqual([false]);
    expect(fixture.dials).toBe(601);
    fixture.portOpen = true;
    await fixture.clock.advance(100);
    expect(fixture.seen).toEqual([false, true]);
  });

  it("says that it waits at once and then every hundred tries", async () => {
    const fixture = new Fixture({ check: false, portOpen: false });
    await fixture.clock.advance(0);
    await fixture.clock.advance(20_000);
    expect(fixture.lines.filter((line) => line.startsWith("waiting"))).toHaveLength(3);
  });

  it("is not looked at again while nothing is suspicious", async () => {
    const fixture = new Fixture({ check: false, portOpen: true });
    await fixture.clock.advance(60_000);
    expect(fixture.clock.pending).toBe(0);
  });

  it("counts as gone when a suspicion is right and as back when the port accepts again", async () => {
    const fixture = new Fixture({ check: false, portOpen: true });
    await fixture.clock.advance(100);
    fixture.portOpen = false;
    fixture.watch.suspect();
    fixture.watch.suspect();
    await fixture.clock.advance(1000);
    expect(fixture.seen).toEqual([false, true, false]);
    fixture.portOpen = true;
    await fixture.clock.advance(100);
    expect(fixture.seen).toEqual([false, true, false, true]);
  });

  it("stays healthy when a suspicion is wrong", async () => {
    const fixture = new Fixture({ check: false, portOpen: true });
    await fixture.clock.advance(100);
    fixture.watch.suspect();
    await fixture.clock.advance(1000);
    expect(fixture.seen).toEqual([false, true]);
  });

  it("never has its calls refused: they say themselves that nobody answers", () => {
    expect(new Fixture({ check: false, portOpen: false }).watch.refusesCalls).toBe(false);
  });
});

describe("an app with a health check", () => {
  it("is unhealthy until the first probe succeeds, and its calls are refused until then", async () => {
    const fixture = new Fixture({ check: true, portOpen: true });
    fixture.probeOk = false;
    await fixture.clock.advance(5000);
    expect(fixture.watch.refusesCalls).toBe(true);
    fixture.probeOk = true;
    await fixture.clock.advance(5000);
    expect(fixture.seen).toEqual([false, true]);
    expect(fixture.watch.refusesCalls).toBe(false);
  });

  it("becomes unhealthy after as many failures in a row as the threshold says, healthy after one success", async () => {
    const fixture = new Fixture({ check: true, portOpen: true });
    await fixture.clock.advance(0);
    expect(fixture.watch.healthy).toBe(true);
    fixture.probeOk = false;
    await fixture.clock.advance(10_000);
    expect(fixture.watch.healthy).toBe(true);
    await fixture.clock.advance(5000);
    expect(fixture.watch.healthy).toBe(false);
    fixture.probeOk = true;
    await fixture.clock.advance(5000);
    expect(fixture.seen).toEqual([false, true, false, true]);
  });

  it("starts to count anew after a success", async () => {
    const fixture = new Fixture({ check: true, portOpen: true });
    await fixture.clock.advance(0);
    for (let i = 0; i < 3; i++) {
      fixture.probeOk = false;
      await fixture.clock.advance(10_000);
      fixture.probeOk = true;
      await fixture.clock.advance(5000);
    }
    expect(fixture.seen).toEqual([false, true]);
  });

  it("counts a probe that does not end in time as a failure", async () => {
    const clock = new FakeClock();
    const silent = { debug() {}, info() {}, warn() {}, error() {} };
    const never = (signal: AbortSignal) =>
      new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const watch = new AppWatch({
      address: "a",
      log: silent,
      clock,
      dial: async () => {},
      check: { probe: never, intervalMs: 1000, timeoutMs: 500, threshold: 1 },
    });
    const seen: boolean[] = [];
    watch.start();
    await clock.advance(499);
    watch.watch((healthy) => void seen.push(healthy));
    await clock.advance(10_000);
    expect(seen).toEqual([false]);
    watch.close();
    await clock.advance(0);
    expect(clock.pending).toBe(0);
  });

  it("is not asked more often than the interval", async () => {
    const fixture = new Fixture({ check: true, portOpen: true });
    await fixture.clock.advance(0);
    await fixture.clock.advance(50_000);
    expect(fixture.probes).toBe(11);
  });
});

describe("a closed watch", () => {
  it("calls no listener and leaves no timer", async () => {
    const fixture = new Fixture({ check: false, portOpen: false });
    await fixture.clock.advance(0);
    fixture.watch.close();
    fixture.watch.close();
    fixture.portOpen = true;
    await fixture.clock.advance(1000);
    expect(fixture.seen).toEqual([false]);
    expect(fixture.clock.pending).toBe(0);
  });

  it("forgets a listener that has ended its watch", async () => {
    const fixture = new Fixture({ check: false, portOpen: false });
    const seen: boolean[] = [];
    const end = fixture.watch.watch((healthy) => void seen.push(healthy));
    end();
    fixture.portOpen = true;
    await fixture.clock.advance(1000);
    expect(seen).toEqual([false]);
  });
});
