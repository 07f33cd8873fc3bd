import { describe, expect, test } from "vitest";
import {
  ClosedError,
  isFinal,
  isLost,
  isRefusedForNow,
  openFailure,
  replyCode,
  translate,
} from "../../../../components/redis/failures.ts";
import { fail } from "../../../../specs/errors.ts";

/** As the library gives what the server answers. */
const reply = (message: string) => Object.assign(new Error(message), { name: "ReplyError" });
/** As Node gives what the system says. */
const system = (code: string, message = code) => Object.assign(new Error(message), { code });
const lost = () => new Error("Connection is closed.");

describe("translate", () => {
  test.each([
    [lost(), /store does not answer: the connection was lost before the answer came; it may be done or not/],
    [system("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:1"), /store does not answer: connect ECONNREFUSED/],
    [reply("WRONGPASS invalid username-password pair"), /redisUsername and redisPassword are not accepted/],
    [reply("NOAUTH Authentication required."), /set redisPassword/],
    [reply("NOPERM this user has no permissions to run the 'set' command"), /a permission that its ACL must give/],
    [reply("OOM command not allowed when used memory > 'maxmemory'."), /has reached its maxmemory/],
    [reply("LOADING Redis is loading the dataset in memory"), /LOADING/],
    [new ClosedError(), /the component is closed/],
  ])("%s means that the backend does not serve", (error, message) => {
    const translated = translate(error, "store");
    expect(translated).toMatchObject({ reason: "backendUnavailable", message: expect.stringMatching(message) });
  });

  test.each([
    [reply("WRONGTYPE Operation against a key holding the wrong kind of value"), /something else than this component/],
    [reply("CROSSSLOT Keys in request don't hash to the same slot"), /same part in braces/],
    [reply("ERR Protocol error: invalid bulk length"), /proto-max-bulk-len/],
  ])("%s is no trouble of the backend, and says what to do", (error, message) => {
    expect(translate(error, "store")).toMatchObject({ name: "Error", message: expect.stringMatching(message) });
  });

  test("a reason of ours and an unknown error stay as they are", () => {
    const ours = fail("etagMismatch", { key: "k" });
    const unknown = reply("ERR unknown command");
    expect([translate(ours, "store"), translate(unknown, "store")]).toEqual([ours, unknown]);
  });
});

describe("openFailure", () => {
  test.each([
    [reply("WRONGPASS invalid"), /^redisUsername, redisPassword: h:1 does not accept them/],
    [reply("NOAUTH Authentication required."), /^redisPassword: h:1 asks for a password/],
    [reply("NOPERM no"), /^redisUsername: the user lacks a permission at h:1/],
    [system("ECONNREFUSED"), /^redisHost: nothing listens at h:1; start Redis there/],
    [system("ENOTFOUND"), /^redisHost: the name in h:1 is not known/],
    [system("ETIMEDOUT"), /^redisHost: h:1 does not answer within dialTimeout/],
    [system("ECONNRESET"), /^redisHost: h:1 ends the connection; set enableTLS/],
    [system("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"), /^clientCert, clientKey: h:1 asks for a certificate/],
    [system("DEPTH_ZERO_SELF_SIGNED_CERT"), /^enableTLS: the certificate of h:1 is not trusted; .* as caCert/],
    [system("ERR_SSL_WRONG_VERSION_NUMBER", "wrong version number"), /^enableTLS: .*do not agree/],
    [reply("ERR DB index is out of range"), /^redisDB: h:1 has no such database/],
    [new Error("ERR This instance has cluster support disabled"), /^redisType: h:1 is no cluster/],
    [new Error("All sentinels are unreachable"), /^redisHost, sentinelMasterName/],
    [lost(), /^redisHost: no connection to h:1 comes about/],
    [new Error("odd"), /^redisHost: h:1 cannot be used \(odd\)/],
  ])("%s names the setting and the fix", (error, message) => {
    expect(openFailure(error, "h:1")).toMatchObject({
      reason: "openFailed",
      message: expect.stringMatching(message),
      cause: error,
    });
  });
});

test("what the server says is told by its first word, and only for its own words", () => {
  expect([replyCode(reply("NOSCRIPT No matching script")), replyCode(new Error("NOSCRIPT"))]).toEqual([
    "NOSCRIPT",
    undefined,
  ]);
});

test("a lost answer, a refusal for now and a final refusal are told apart", () => {
  const errors = [lost(), reply("READONLY You can't write"), reply("WRONGPASS no"), system("ECONNREFUSED")];
  expect(errors.map((error) => [isLost(error), isRefusedForNow(error), isFinal(error)])).toEqual([
    [true, false, false],
    [false, true, false],
    [false, false, true],
    [false, false, false],
  ]);
});
