import type { Running } from "./processes.ts";
import type { Executable } from "./sidecars.ts";

/** One line of the table. */
export interface Line {
  readonly what: string;
  readonly value: string;
  /** The limit it is compared with, and the ratio to it. */
  readonly limit?: string;
  readonly ratio?: string;
}

export interface Scenario {
  readonly name: string;
  /** Needs something that only our sidecar has. */
  readonly oursOnly?: boolean;
  run(executable: Executable): Promise<readonly Line[]>;
}

export const rate = (perSecond: number) => `${Math.round(perSecond).toLocaleString("en")}/s`;
export const us = (value: number) => `${value.toFixed(0)} µs`;
export const ms = (value: number) => `${value.toFixed(2)} ms`;

/** Stops what was opened, whatever happens. */
export async function withRunning<T>(open: Promise<readonly Running[]>, use: () => Promise<T>): Promise<T> {
  const running = await open;
  try {
    return await use();
  } finally {
    await Promise.all(running.map((one) => one.stop()));
  }
}
