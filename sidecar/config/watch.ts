import { type FSWatcher, watch } from "node:fs";
import type { Clock, Log } from "../../components/contract/driver.ts";
import { causeText } from "../../specs/errors.ts";

export interface WatchOptions {
  readonly folders: readonly string[];
  /** Files are also read again this often, for file systems that tell nothing. */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Never runs twice at once; a change during a run is followed by another run. */
  readonly onChange: () => Promise<void>;
}

/** Editors write a file in several steps; they are taken as one change. */
const settleMs = 200;

/** Watches resource folders until it is closed. */
export function watchFolders({ folders, intervalMs, clock, log, onChange }: WatchOptions): { close(): Promise<void> } {
  let running: Promise<void> | undefined;
  let again = false;
  let closed = false;
  let cancelSettle = () => {};
  let cancelInterval = () => {};
  const run = () => {
    if (running !== undefined) {
      again = true;
      return;
    }
    running = onChange()
      .catch((error: unknown) => log.error("resources could not be read again", { error: causeText(error) }))
      .finally(() => {
        running = undefined;
        if (again && !closed) {
          again = false;
          run();
        }
      });
  };
  const changed = () => {
    cancelSettle();
    cancelSettle = clock.after(settleMs, run);
  };
  const everyInterval = () => {
    cancelInterval = clock.after(intervalMs, () => {
      run();
      everyInterval();
    });
  };
  everyInterval();
  const watchers = folders.flatMap((folder) => watchOne(folder, changed, log));
  return {
    async close() {
      closed = true;
      cancelSettle();
      cancelInterval();
      for (const watcher of watchers) watcher.close();
      await running;
    },
  };
}

function watchOne(folder: string, changed: () => void, log: Log): FSWatcher[] {
  try {
    const watcher = watch(folder, { persistent: false }, changed);
    watcher.on("error", (error) =>
      log.warn("a resource folder is no longer watched", { folder, error: causeText(error) }),
    );
    return [watcher];
  } catch (error) {
    log.warn("a resource folder cannot be watched; it is read at intervals", { folder, error: causeText(error) });
    return [];
  }
}
