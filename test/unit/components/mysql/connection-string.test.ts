import { describe, expect, test } from "vitest";
import { parseConnection } from "../../../../components/mysql/connection-string.ts";

const parse = (text: string) => parseConnection("url", text);
const failing = (why: string) =>
  expect.objectContaining({ reason: "openFailed", message: expect.stringContaining(why) });

const thrown = (text: string): unknown => {
  try {
    return parse(text);
  } catch (error) {
    return error;
  }
};

describe("a connection string", () => {
  test.each([
    ["/", { host: "127.0.0.1", port: 3306, user: undefined, database: undefined }],
    ["app:secret@tcp(db:3307)/shop", { host: "db", port: 3307, user: "app", password: "secret", database: "shop" }],
    ["app@tcp(db)/", { host: "db", port: 3306, user: "app", password: undefined }],
    ["app:a@b:c/d?e@tcp([::1]:3307)/shop", { host: "::1", port: 3307, password: "a@b:c/d?e", database: "shop" }],
    ["app:pw@unix(/run/my.sock)/shop", { host: "/run/my.sock", database: "shop" }],
    ["app:pw@/shop%2Fone", { host: "127.0.0.1", database: "shop/one" }],
    ["mysql://app:p%40w@db/shop", { host: "db", port: 3306, user: "app", password: "p@w", database: "shop" }],
  ])("%s says where the server is", (text, place) => {
    expect(parse(text)).toMatchObject(place);
  });

  test("its parameters are read, and what has no meaning is told", () => {
    const parameters =
      "tls=custom&timeout=1m500ms&multiStatements=true&parseTime=1&clientFoundRows=false&charset=utf8&sql_mode=%27ANSI%27";
    expect(parse(`a:b@tcp(c)/?${parameters}`)).toMatchObject({
      tls: "custom",
      connectTimeoutMs: 60_500,
      multiStatements: true,
      parseTime: true,
      clientFoundRows: false,
      allowCleartextPasswords: false,
      ignored: ["charset"],
      variables: ["sql_mode = 'ANSI'"],
    });
    expect(parse("mysql://a:b@c/?tls=skip-verify").tls).toBe("skip-verify");
    expect(parse("a:b@tcp(c)/").tls).toBe("false");
  });

  test.each([
    ["app:hush@tcp(db:3306)", "url: has no slash before the database; write user:password@tcp(host:3306)/database"],
    ["app:hush@db:3306/shop", "url: the address is not in parentheses behind tcp"],
    ["app:hush@udp(db)/shop", 'url: "udp" is neither tcp nor unix'],
    ["app:hush@tcp(a:b:c)/shop", 'url: "a:b:c" is no host with a port'],
    ["app:hush@tcp(db)/shop%", "url: has a % that is no escape"],
    ["app:hush@tcp(db)/?tls=on", "url: tls=on is not one of false, true, skip-verify, preferred, custom"],
    ["app:hush@tcp(db)/?timeout=5", "url: timeout=5 is no duration; write it like 5s or 500ms"],
    ["app:hush@tcp(db)/?parseTime=maybe", "url: parseTime=maybe is neither true nor false"],
    ["app:hush@tcp(db)/?sql_mode=%27a%27;drop", "url: sql_mode is neither a known parameter nor a system variable"],
    ["mysql://[", "url: is no URL"],
  ])("%s is refused with what to write, and without the password", (text, why) => {
    expect(thrown(text)).toEqual(failing(why));
    expect(String(thrown(text))).not.toContain("hush");
  });
});
