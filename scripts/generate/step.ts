/**
 * One generator. Sources are read below `root`; everything it makes is written below `out`, at the
 * same relative path as in the repository, so that a check can write elsewhere and compare.
 */
export interface Step {
  /** Shown when the step runs or fails. */
  readonly name: string;
  /** Globs, relative to the root, of the files that belong to this step alone. */
  readonly outputs: readonly string[];
  /** Writes all outputs, creating folders as needed. Throws when a source is wrong. */
  run(paths: StepPaths): Promise<void>;
}

/** Absolute folders; equal except during a check. */
export interface StepPaths {
  /** The repository: where sources are. */
  readonly root: string;
  /** Where to write. */
  readonly out: string;
}
