/**
 * Sends Ethernet frames out of an interface: `node send-frames.js eth0`, with one frame in hexadecimal a line on standard
 * input. A process of its own, so that it can be started inside a network namespace.
 */
import { readFileSync } from "node:fs";
import koffi from "koffi";

const AF_PACKET = 17;
const SOCK_RAW = 3;

const libc = koffi.load(null);
const socket = libc.func("int socket(int, int, int)");
const bind = libc.func("int bind(int, const uint8_t *, uint32_t)");
const send = libc.func("intptr_t send(int, const uint8_t *, size_t, int)");
const ifIndex = libc.func("uint32_t if_nametoindex(const char *)");

const name = process.argv[2] ?? "";
const index = ifIndex(name);
if (index === 0) throw new Error(`no interface ${name}`);
const fd = socket(AF_PACKET, SOCK_RAW, 0);
if (fd < 0) throw new Error("no packet socket");
const link = new Uint8Array(20); // struct sockaddr_ll
new DataView(link.buffer).setUint16(0, AF_PACKET, true);
new DataView(link.buffer).setInt32(4, index, true);
if (bind(fd, link, link.length) !== 0) throw new Error(`cannot bind to ${name}`);

for (const line of readFileSync(0, "latin1").split("\n")) {
  const frame = Buffer.from(line, "hex");
  if (frame.length > 0 && Number(send(fd, frame, frame.length, 0)) !== frame.length)
    throw new Error(`not sent: ${line}`);
}
