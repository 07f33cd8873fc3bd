import type { NetworkInterfaceInfo } from "node:os";
import { expect, it } from "vitest";
import { anyAddress, ownAddress } from "../../../../sidecar/kernel/own-address.ts";

const at = (family: "IPv4" | "IPv6") => ({ family }) as NetworkInterfaceInfo;

it("every interface is spoken of by IPv6 where there is any", () => {
  expect(anyAddress({ lo: [at("IPv4"), at("IPv6")] })).toBe("[::]");
  expect(anyAddress({ lo: [at("IPv4")] })).toBe("0.0.0.0");
});

it("an address that is listened on is the one that others reach", () => {
  expect(ownAddress("10.0.0.7")).toBe("10.0.0.7");
  for (const every of ["", "0.0.0.0", "::"]) expect(ownAddress(every)).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
});
