import { expect, test } from "vitest";
import { answerTo, browseName, recordsOf, sightingsIn } from "../../../../components/mdns/records.ts";

const instance = { appId: "orders", namespace: "default", address: "10.0.0.5:50002" };
const ask = (name: string, type = "PTR") => answerTo({ name, type }, instance);

test("who asks for an app is told its sidecar with port and address in one packet", () => {
  const packet = ask("Orders.local") ?? {};
  expect(sightingsIn(packet, "1.2.3.4")).toEqual([{ appId: "orders", address: "10.0.0.5:50002", gone: false }]);
});

test("each record is given on its own too", () => {
  const { pointer, service, text, hosts } = recordsOf(instance);
  expect(ask(pointer.data, "SRV")).toEqual({ answers: [service], additionals: hosts });
  expect(ask(pointer.data, "TXT")).toEqual({ answers: [text] });
  expect(ask(service.data.target, "A")).toEqual({ answers: hosts });
  expect(ask(browseName)).toMatchObject({ answers: [{ data: "orders.local" }] });
  for (const [name, type] of [
    ["payments.local", "PTR"],
    ["orders.local", "A"],
    [service.data.target, "AAAA"],
  ] as const) {
    expect(ask(name, type)).toBeUndefined();
  }
});

test("two sidecars of one machine have different names", () => {
  const other = recordsOf({ ...instance, address: "10.0.0.5:50003" });
  expect(other.pointer.data).not.toBe(recordsOf(instance).pointer.data);
  expect(other.service.data.target).toBe(recordsOf(instance).service.data.target);
});

test("an IPv6 address and a host name are announced as what they are", () => {
  for (const address of ["[fd00::5]:50002", "box.lan:50002"]) {
    const { pointer, service, hosts } = recordsOf({ ...instance, address });
    expect(sightingsIn({ answers: [pointer, service], additionals: hosts }, "1.2.3.4")).toMatchObject([{ address }]);
  }
});

test("what is taken back is gone", () => {
  const { pointer, service, hosts } = recordsOf(instance, 0);
  expect(sightingsIn({ answers: [pointer, service, ...hosts] }, "1.2.3.4")).toEqual([
    { appId: "orders", address: "10.0.0.5:50002", gone: true },
  ]);
});

test("packets of other implementations are read: IPv4 first, the sender when no address is named", () => {
  const service = { name: "box.orders.local", type: "SRV", ttl: 3200, data: { target: "box.local", port: 7 } } as const;
  const four = { name: "Box.local", type: "A", data: "10.0.0.9" } as const;
  const six = { name: "box.local", type: "AAAA", data: "fd00::9" } as const;
  expect(sightingsIn({ answers: [service, six, four] }, "1.2.3.4")).toMatchObject([{ address: "10.0.0.9:7" }]);
  expect(sightingsIn({ answers: [service, six] }, "1.2.3.4")).toMatchObject([{ address: "[fd00::9]:7" }]);
  expect(sightingsIn({ answers: [service] }, "1.2.3.4")).toMatchObject([{ address: "1.2.3.4:7" }]);
});

test("printers and the like are no apps", () => {
  const service = { name: "p._ipp._tcp.local", type: "SRV", data: { target: "p.local", port: 631 } } as const;
  const type = { name: browseName, type: "PTR", data: "_ipp._tcp.local" } as const;
  expect(sightingsIn({ answers: [service, type] }, "1.2.3.4")).toEqual([]);
});
