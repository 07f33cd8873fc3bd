import { createHash } from "node:crypto";
import type { SecretReference } from "../kernel/config-types.ts";

/** Which secrets a component was opened with: digests only, so that nothing secret is kept. */
export class UsedSecrets {
  readonly #digests = new Map<string, { readonly reference: SecretReference; readonly digest: string }>();

  note(reference: SecretReference, value: string): void {
    const { store, name, key } = reference;
    this.#digests.set(JSON.stringify([store, name, key]), { reference, digest: digestOf(value) });
  }

  get isEmpty(): boolean {
    return this.#digests.size === 0;
  }

  /** Whether one of them says something else now. Rejects with what `read` rejects with. */
  async haveChanged(read: (reference: SecretReference) => Promise<string>): Promise<boolean> {
    for (const { reference, digest } of this.#digests.values()) {
      if (digestOf(await read(reference)) !== digest) return true;
    }
    return false;
  }
}

const digestOf = (value: string): string => createHash("sha256").update(value).digest("base64");
