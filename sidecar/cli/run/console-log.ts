import type { CliContext, Output } from "../context.ts";
import { painter, type Style } from "../paint.ts";
import { textWidth } from "../text-width.ts";
import type { Stream } from "./child.ts";
import type { Source } from "./log-line.ts";
import { shortenSidecarLine } from "./sidecar-line.ts";

const palette: readonly Style[] = ["cyan", "magenta", "yellow", "blue", "green"];

/** Lines of apps and sidecars on the screen, each behind its name. */
export class ConsoleLog {
  readonly #context: Pick<CliContext, "out" | "err">;
  readonly #several: boolean;
  readonly #styles: ReadonlyMap<string, Style>;
  readonly #width: number;

  /**
   * @param appIds the apps that will write; with several, their ids are the names, else `app` and `sidecar`.
   * @param withSidecars whether lines of sidecars are shown, for the width of the names.
   */
  constructor(context: Pick<CliContext, "out" | "err">, appIds: readonly string[], withSidecars: boolean) {
    this.#context = context;
    this.#several = appIds.length > 1;
    this.#styles = new Map(appIds.map((id, at) => [id, palette[at % palette.length] as Style]));
    const sources: Source[] = withSidecars ? ["app", "sidecar", "mecha"] : ["app", "mecha"];
    this.#width = Math.max(...appIds.flatMap((id) => sources.map((source) => textWidth(this.#name(id, source)))));
  }

  write(appId: string, source: Source, text: string, stream: Stream = "stdout"): void {
    const output = stream === "stderr" ? this.#context.err : this.#context.out;
    output.write(
      `${this.#prefix(output, appId, source)} ${output.colors ? this.#readable(source, text, output) : text}\n`,
    );
  }

  /** A line about the whole. */
  note(text: string): void {
    this.write("", "mecha", text);
  }

  #readable(source: Source, text: string, output: Output): string {
    if (source === "sidecar") return shortenSidecarLine(text, painter(output));
    return source === "mecha" ? painter(output)("bold", text) : text;
  }

  #prefix(output: Output, appId: string, source: Source): string {
    const name = this.#name(appId, source);
    const padded = name + " ".repeat(Math.max(0, this.#width - textWidth(name)));
    const style = source === "app" ? this.#styles.get(appId) : undefined;
    const paint = painter(output);
    return `${paint(style ?? "gray", padded)} ${paint("gray", "│")}`;
  }

  #name(appId: string, source: Source): string {
    if (source === "mecha") return "mecha";
    if (!this.#several) return source;
    return source === "app" ? appId : `${appId} sidecar`;
  }
}
