import type { AppHealth } from "./app.ts";

/** Whether the sidecar may be sent work, and why not. */
export class Readiness {
  outbound = false;
  stopping = false;
  #appReached: boolean;
  readonly close: () => void;

  constructor(health: AppHealth | undefined) {
    this.#appReached = health === undefined;
    this.close =
      health?.watch((healthy) => {
        this.#appReached ||= healthy;
      }) ?? (() => {});
  }

  whyNot(): string | undefined {
    return this.whyNotOutbound() ?? (this.#appReached ? undefined : "the app does not listen on its port yet");
  }

  whyNotOutbound(): string | undefined {
    if (this.stopping) return "it is shutting down";
    return this.outbound ? undefined : "it is starting";
  }
}
