import { createSocket } from "node:dgram";
import type { AddressInfo } from "node:net";
import { reportNotRun } from "./services.ts";

const group = "224.0.0.251";

/** Whether this machine hears its own multicast; when not, that is reported as not run. */
export async function requireMulticast(): Promise<boolean> {
  const heard = await hearsItself();
  if (!heard) reportNotRun("multicast", "no network interface of this machine carries multicast");
  return heard;
}

/** A UDP port that is free now. */
export async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, resolve));
  const { port } = socket.address() as AddressInfo;
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

function hearsItself(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: "udp4", reuseAddr: true });
    const end = (heard: boolean) => {
      clearTimeout(late);
      socket.close(() => resolve(heard));
    };
    const late = setTimeout(end, 1000, false);
    socket.once("error", () => end(false)).once("message", () => end(true));
    socket.bind(0, () => {
      try {
        socket.addMembership(group);
        socket.send("?", socket.address().port, group, (error) => error && end(false));
      } catch {
        end(false);
      }
    });
  });
}
