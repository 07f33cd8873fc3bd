import type { ResiliencyResource } from "../kernel/config-types.ts";
import type { Policies } from "../kernel/policy.ts";
import { openPolicies, type PoliciesParts } from "./policies.ts";

/** Policies whose resources may be exchanged. Who keeps a policy keeps that of the old ones. */
export class ReloadablePolicies implements Policies {
  readonly #parts: PoliciesParts;
  #current: Policies;

  constructor(parts: PoliciesParts) {
    this.#parts = parts;
    this.#current = openPolicies(parts);
  }

  /** From now on these resources hold; breakers begin anew. */
  replace(resources: readonly ResiliencyResource[]): void {
    this.#current = openPolicies({ ...this.#parts, resources });
  }

  component(...target: Parameters<Policies["component"]>): ReturnType<Policies["component"]> {
    return this.#current.component(...target);
  }

  componentWith(...target: Parameters<Policies["componentWith"]>): ReturnType<Policies["componentWith"]> {
    return this.#current.componentWith(...target);
  }

  app(appId: string): ReturnType<Policies["app"]> {
    return this.#current.app(appId);
  }

  builtIn(name: string): ReturnType<Policies["builtIn"]> {
    return this.#current.builtIn(name);
  }
}
