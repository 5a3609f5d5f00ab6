/**
 * A program: sends datagrams from one port, one after the other, and waits for each to come back.
 *
 *     node sender.js FROM-PORT ADDRESS PORT WAIT-MS BYTES…
 *
 * Prints one line of JSON for each datagram: `{"sent":1483,"received":1483,"isSame":true,"milliseconds":0.9}`,
 * with `received` null when nothing came back in time.
 */
import { createSocket } from "node:dgram";

const [fromPort = 0, , port = 0, waitMs = 0, ...sizes] = process.argv.slice(2).map(Number);
const address = process.argv[3] ?? "";

const socket = createSocket("udp4");
await new Promise<void>((resolve) => socket.bind(fromPort, resolve));

for (const sent of sizes) {
  const payload = Buffer.alloc(sent, "nfpath ");
  const began = performance.now();
  const answer = nextMessage(sent);
  socket.send(payload, port, address);
  const received = await answer;
  const report = {
    sent,
    received: received === null ? null : received.length,
    isSame: received?.equals(payload) ?? false,
    milliseconds: Math.round((performance.now() - began) * 100) / 100,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}
socket.close();

/** The next datagram of that many bytes: another length is the late answer to an earlier one. */
function nextMessage(length: number): Promise<Buffer | null> {
  return new Promise((resolve) => {
    const finish = (message: Buffer | null): void => {
      if (message !== null && message.length !== length) return;
      clearTimeout(timer);
      socket.off("message", finish);
      resolve(message);
    };
    const timer = setTimeout(finish, waitMs, null);
    socket.on("message", finish);
  });
}
