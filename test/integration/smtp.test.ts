import { describe, expect, test } from "vitest";
import smtp from "../../components/smtp/bindings.ts";
import { type Given, openContext, openDriver } from "../support/open-driver.ts";
import { startSmtpServer } from "../support/smtp-server.ts";

const usual = { emailFrom: "shop@example.com", emailTo: "a@example.com;b@example.com", subject: "Your order" };

async function open(settings: Given = {}) {
  const server = await startSmtpServer();
  const connection = { host: "127.0.0.1", port: server.port, user: "mecha", password: "secret", skipTLSVerify: true };
  const context = openContext({ name: "mail" });
  const binding = await openDriver(smtp, { ...connection, ...usual, ...settings }, context);
  const send = (html: string, metadata: Readonly<Record<string, string>> = {}) =>
    binding.invoke?.({ operation: "create", data: Buffer.from(html), metadata }, {});
  return { ...server, send };
}

describe("bindings.smtp", () => {
  test("sends over TLS, authenticated, to all receivers", async () => {
    const { mails, send } = await open({ emailCC: "c@example.com", emailBCC: "d@example.com" });
    await send("<b>chair</b>");
    expect(mails).toMatchObject([
      {
        from: "shop@example.com",
        to: ["a@example.com", "b@example.com", "c@example.com", "d@example.com"],
        text: expect.stringMatching(/Subject: Your order[\s\S]*text\/html[\s\S]*<b>chair<\/b>/),
      },
    ]);
    expect(mails[0]?.text).toContain("X-Priority: 3");
    expect(mails[0]?.text).not.toContain("d@example.com");
  });

  test("takes what the request says before what the component says", async () => {
    const { mails, send } = await open();
    await send('"a \\"quoted\\" text"', { emailTo: "x@example.com", subject: "Other", priority: "1" });
    expect(mails[0]?.to).toEqual(["x@example.com"]);
    expect(mails[0]?.text).toMatch(/Subject: Other[\s\S]*a "quoted" text/);
    expect(mails[0]?.text).toContain("X-Priority: 1");
  });

  test.each([
    [{ emailTo: undefined }, {}, "emailTo"],
    [{ subject: undefined }, {}, "subject"],
    [{}, { priority: "9" }, "must be 1 to 5"],
    [{}, { subject: "a\r\nBcc: x@example.com" }, "must not hold a line break"],
  ])("%j with %j is refused before anything is sent", async (settings, metadata, why) => {
    const without = Object.fromEntries(Object.entries({ ...usual, ...settings }).filter(([, value]) => value));
    const server = await startSmtpServer();
    const binding = await openDriver(smtp, { host: "127.0.0.1", port: server.port, ...without }, openContext());
    const request = { operation: "create", data: Buffer.from("x"), metadata: metadata as Record<string, string> };
    await expect(binding.invoke?.(request, {})).rejects.toMatchObject({
      reason: "requestMetadataInvalid",
      message: expect.stringContaining(why),
    });
    expect(server.mails).toEqual([]);
  });

  test.each([
    [{ password: "hunter2" }, {}, "user, password: 127.0.0.1"],
    [{ skipTLSVerify: false }, {}, "set skipTLSVerify"],
    [{}, { emailTo: "nobody@example.com" }, "emailFrom, emailTo: 127.0.0.1"],
  ])("%j with %j fails with what is to be corrected", async (settings, metadata, why) => {
    const { send } = await open(settings);
    const failure = await Promise.resolve(send("x", metadata as Record<string, string>)).catch(
      (error: Error) => error.message,
    );
    expect(failure).toContain(why);
    expect(failure).not.toContain("hunter2");
  });

  test("a server that is not there is named with its settings", async () => {
    const { send } = await open({ port: 1 });
    await expect(send("x")).rejects.toMatchObject({ message: expect.stringContaining("host, port: 127.0.0.1:1") });
  });

  test("a user without a password is refused", async () => {
    const opening = openDriver(smtp, { host: "h", user: "u" }, openContext());
    await expect(opening).rejects.toMatchObject({
      message: expect.stringContaining("user and password belong together"),
    });
  });

  test("who leaves does not wait", async () => {
    const server = await startSmtpServer();
    const binding = await openDriver(smtp, { host: "127.0.0.1", port: server.port, ...usual, skipTLSVerify: true });
    const signal = AbortSignal.abort(new Error("left"));
    const request = { operation: "create", data: Buffer.from("x"), metadata: {} };
    await expect(binding.invoke?.(request, { signal })).rejects.toThrow("left");
  });
});
