/** Where tokens come from. */
export interface TokenSource {
  /** The setting to correct when the server refuses the token. */
  readonly setting: string;
  /** The token for the next request. */
  readonly token: string;
  /**
   * The server has refused `refused`: gets another one; false: there is none. Rejects with `backendUnavailable` when it
   * cannot be got.
   */
  replace(refused: string, signal?: AbortSignal): Promise<boolean>;
  /** Idempotent. */
  close(): Promise<void>;
}
