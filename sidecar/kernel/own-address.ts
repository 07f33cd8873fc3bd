import { networkInterfaces } from "node:os";

/** The address that peers on this and other machines reach us at. */
export function ownAddress(listenAddress: string): string {
  if (listenAddress !== "" && listenAddress !== "0.0.0.0" && listenAddress !== "::") return listenAddress;
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  return all.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
}

/** The address that stands for every interface: IPv6 takes IPv4 in, but not every machine has it. */
export function anyAddress(interfaces = networkInterfaces()): "[::]" | "0.0.0.0" {
  const all = Object.values(interfaces).flatMap((one) => one ?? []);
  return all.some(({ family }) => family === "IPv6") ? "[::]" : "0.0.0.0";
}
