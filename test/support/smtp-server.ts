import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { onTestFinished } from "vitest";
import { server as pair } from "./certificates.ts";

export interface SmtpServer {
  readonly port: number;
  /** Mails that have arrived: who they are from and for, and their text. */
  readonly mails: { readonly from: string; readonly to: readonly string[]; readonly text: string }[];
}

/** A small SMTP server: STARTTLS, AUTH PLAIN, one user. It is gone when the test is. */
export async function startSmtpServer({ user = "mecha", password = "secret" } = {}): Promise<SmtpServer> {
  const mails: SmtpServer["mails"] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.write("220 test ESMTP\r\n");
    serve(socket, false);
  }).listen(0, "127.0.0.1");
  const serve = (socket: Socket, isSecure: boolean) => {
    let [buffer, from, isData] = ["", "", false];
    let to: string[] = [];
    const answer = (line: string) => socket.write(`${line}\r\n`);
    const onLine = (line: string) => {
      if (/^EHLO/i.test(line)) {
        return answer(isSecure ? "250-test\r\n250 AUTH PLAIN" : "250-test\r\n250 STARTTLS");
      }
      if (/^STARTTLS/i.test(line)) {
        answer("220 go ahead");
        socket.removeAllListeners("data");
        const secure = new TLSSocket(socket, { isServer: true, cert: pair.certificate, key: pair.key });
        secure.on("error", () => {});
        return serve(secure, true);
      }
      const [, plain] = /^AUTH PLAIN (.*)$/i.exec(line) ?? [];
      if (plain !== undefined) {
        const [, name, given] = Buffer.from(plain, "base64").toString().split("\0");
        return answer(name === user && given === password ? "235 welcome" : "535 wrong user or password");
      }
      if (/^MAIL FROM/i.test(line)) from = /<(.*?)>/.exec(line)?.[1] ?? "";
      if (/^RCPT TO/i.test(line)) {
        const receiver = /<(.*?)>/.exec(line)?.[1] ?? "";
        if (receiver.startsWith("nobody@")) return answer("550 no such user");
        to.push(receiver);
      }
      if (/^DATA/i.test(line)) {
        isData = true;
        return answer("354 end with a dot");
      }
      return answer(/^QUIT/i.test(line) ? "221 bye" : "250 ok");
    };
    socket.on("data", (chunk) => {
      buffer += chunk.toString();
      for (;;) {
        const end = isData ? "\r\n.\r\n" : "\r\n";
        const at = buffer.indexOf(end);
        if (at < 0) return;
        const part = buffer.slice(0, at);
        buffer = buffer.slice(at + end.length);
        if (!isData) onLine(part);
        else {
          mails.push({ from, to, text: part });
          [to, isData] = [[], false];
          answer("250 taken");
        }
      }
    });
  };
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return { port: (server.address() as AddressInfo).port, mails };
}
