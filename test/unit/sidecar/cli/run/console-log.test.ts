import { expect, test } from "vitest";
import { ConsoleLog } from "../../../../../sidecar/cli/run/console-log.ts";
import { cliContext, writtenOutput } from "../../../../support/cli-context.ts";

test("one app: the lines say who wrote them, and each goes to the stream it came from", () => {
  const context = cliContext({ cwd: "/" });
  const console = new ConsoleLog(context, ["orders"], true);
  console.write("orders", "app", "hello");
  console.write("orders", "sidecar", "ready");
  console.write("orders", "app", "oh", "stderr");
  console.note("bye");
  expect(context.out.text()).toBe("app     │ hello\nsidecar │ ready\nmecha   │ bye\n");
  expect(context.err.text()).toBe("app     │ oh\n");
});

test("several apps: the lines carry app ids, one under the other", () => {
  const context = cliContext({ cwd: "/" });
  const console = new ConsoleLog(context, ["a", "payments"], false);
  console.write("a", "app", "x");
  console.write("payments", "app", "y");
  expect(context.out.text()).toBe("a        │ x\npayments │ y\n");
});

test("with colours, apps differ and lines of a sidecar are short", () => {
  const context = { out: writtenOutput({ colors: true }), err: writtenOutput() };
  const console = new ConsoleLog(context, ["a", "b"], false);
  console.write("a", "app", "x");
  console.write("b", "app", "x");
  console.write("b", "sidecar", 'time="2026-01-31T12:00:01Z" level=info msg="up" app_id=b');
  const [a, b, sidecar] = context.out.text().split("\n");
  expect(a?.slice(0, 5)).not.toBe(b?.slice(0, 5));
  expect(sidecar).toMatch(/up$/);
});
