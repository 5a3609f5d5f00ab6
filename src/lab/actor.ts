/**
 * A program: what a host of a lab does. It listens, sends when it is told to, and reports what it has received.
 *
 *     node actor.js        (inside a network namespace)
 *
 * Reads one JSON `ActorCommand` a line on standard input and answers each with one line. Ends when its standard input does, so it
 * cannot outlive the process that started it.
 */
import { createSocket } from "node:dgram";
import { connect, createServer, isIPv6 } from "node:net";
import { createInterface } from "node:readline";
import type { ActorCommand, Received } from "./actor-words.ts";

const received: Received = {};

function count(port: number): void {
  received[port] = (received[port] ?? 0) + 1;
}

async function carryOut(command: ActorCommand): Promise<unknown> {
  switch (command.do) {
    case "listen":
      return listen(command);
    case "udp":
      return sendDatagrams(command);
    case "tcp":
      return openConnection(command);
    case "report":
      return received;
  }
}

type Listen = Extract<ActorCommand, { do: "listen" }>;

async function listen({ kind, port, address }: Listen): Promise<"listening"> {
  if (kind === "tcp-echo") {
    const server = createServer((connection) => {
      count(port);
      connection.on("error", () => {}).pipe(connection);
    });
    await new Promise<void>((resolve) => server.listen(port, address, resolve));
    return "listening";
  }
  const socket = createSocket(address === undefined || isIPv6(address) ? "udp6" : "udp4");
  socket.on("message", (payload, from) => {
    count(port);
    if (kind === "udp-echo") socket.send(payload, from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(port, address, resolve));
  return "listening";
}

type SendUdp = Extract<ActorCommand, { do: "udp" }>;

/** `silence`, `echo`, or the name of the error. A connected socket hears of ICMP errors. */
async function sendDatagrams({ to, port, from, bytes, times, waitsFor, waitMs }: SendUdp): Promise<string> {
  const socket = createSocket(isIPv6(to) ? "udp6" : "udp4");
  const payload = Buffer.alloc(bytes, "nfpath ");
  try {
    return await new Promise<string>((resolve) => {
      let left = times;
      socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      const send = (): void => {
        left--;
        socket.send(payload, (error) => {
          if (error !== null) resolve((error as NodeJS.ErrnoException).code ?? error.message);
          else if (waitsFor !== "silence") setTimeout(resolve, waitMs, "silence");
          else if (left > 0) send();
          else resolve("silence");
        });
      };
      socket.on("message", (message) => {
        if (!message.equals(payload)) resolve("another answer");
        else if (left > 0) send();
        else resolve("echo");
      });
      socket.bind(from, () => socket.connect(port, to, send));
    });
  } finally {
    socket.close();
  }
}

type OpenTcp = Extract<ActorCommand, { do: "tcp" }>;

async function openConnection({ to, port, from, bytes, waitMs }: OpenTcp): Promise<string> {
  const connection = connect({ host: to, port, localPort: from });
  try {
    return await new Promise<string>((resolve) => {
      const timer = setTimeout(resolve, waitMs, "silence");
      connection.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      connection.on("connect", () => {
        if (bytes === 0) resolve("connected");
        else connection.write(Buffer.alloc(bytes, "nfpath "));
      });
      let back = 0;
      connection.on("data", (chunk) => {
        back += chunk.length;
        if (back === bytes) resolve("echo");
      });
      connection.on("close", () => clearTimeout(timer));
    });
  } finally {
    connection.destroy();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await carryOut(JSON.parse(line) as ActorCommand))}\n`);
}
process.exit(0);
