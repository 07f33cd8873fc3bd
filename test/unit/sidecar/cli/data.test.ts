import { expect, test } from "vitest";
import { readData } from "../../../../sidecar/cli/data.ts";
import { cliContext } from "../../../support/cli-context.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const textOf = async (given: string, stdin = "") => {
  const cwd = tempFolder({ "order.json": '{"id":1}' });
  const { bytes, contentType } = await readData(given, cliContext({ cwd, stdin }));
  return [new TextDecoder().decode(bytes), contentType];
};

test("data is a text, a file after @, or standard input for -; JSON is recognised", async () => {
  expect(await textOf("hello")).toEqual(["hello", "text/plain"]);
  expect(await textOf('{"a":1}')).toEqual(['{"a":1}', "application/json"]);
  expect(await textOf("@order.json")).toEqual(['{"id":1}', "application/json"]);
  expect(await textOf("-", "[1]")).toEqual(["[1]", "application/json"]);
});

test("a file that is not there is named", async () => {
  await expect(textOf("@gone.json")).rejects.toThrow(/gone\.json cannot be read/);
});
