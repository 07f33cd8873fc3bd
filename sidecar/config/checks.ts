/** How findings of the merged document reach the place where they were written. */
export interface Checks {
  lineOf(keyPath: string): number;
  /** The sidecar cannot start. */
  refuse(keyPath: string, message: string, hint: string): void;
  passOver(keyPath: string, message: string, hint: string): void;
}
