import type { Finding } from "./report.ts";

/**
 * Replaces `$NAME` and `${NAME}` by variables, as Go's `os.ExpandEnv` does: what is not set becomes nothing, and a
 * dollar that no name follows stays. Each variable that is not set is reported once, unless it stands in a comment.
 */
export function expandEnv(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
  file: string,
  say: (finding: Finding) => void,
): string {
  const missing = new Set<string>();
  return text.replace(/\$(?:\{([^}\n]*)\}|([A-Za-z_]\w*|[0-9*#$@!?-]))/g, (written, braced, bare, offset: number) => {
    const name = String(braced ?? bare);
    const value = env[name];
    if (value !== undefined) return value;
    const before = text.slice(0, offset);
    const lineStart = before.lastIndexOf("\n") + 1;
    if (!missing.has(name) && !/(^|\s)#/.test(before.slice(lineStart))) {
      missing.add(name);
      const line = before.split("\n").length;
      const message = `${written} is not set and becomes nothing`;
      say({ file, line, column: offset - lineStart + 1, message, hint: `set ${name} or remove it` });
    }
    return "";
  });
}
