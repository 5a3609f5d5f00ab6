/**
 * Sends ICMP echo requests: `node send-echo.js 192.0.2.1 2`. Minimal hosts have no `ping`, and this one is started inside a
 * network namespace.
 */
import { setTimeout as sleep } from "node:timers/promises";
import koffi from "koffi";

const [AF_INET, SOCK_RAW, IPPROTO_ICMP] = [2, 3, 1];
const libc = koffi.load(null);
const socket = libc.func("int socket(int, int, int)");
const sendto = libc.func("intptr_t sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)");

const address = Uint8Array.from((process.argv[2] ?? "").split("."), Number);
const to = new Uint8Array(16); // struct sockaddr_in
new DataView(to.buffer).setUint16(0, AF_INET, true);
to.set(address, 4);
const fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
if (fd < 0) throw new Error("no raw socket");
for (let sequence = 1; sequence <= Number(process.argv[3] ?? 1); sequence++) {
  const echo = new DataView(new ArrayBuffer(16));
  echo.setUint8(0, 8);
  echo.setUint16(4, process.pid & 0xffff);
  echo.setUint16(6, sequence);
  let sum = 0;
  for (let i = 0; i < 16; i += 2) sum += echo.getUint16(i);
  echo.setUint16(2, ~((sum & 0xffff) + (sum >> 16)));
  if (Number(sendto(fd, new Uint8Array(echo.buffer), 16, 0, to, to.length)) !== 16)
    throw new Error("not sent");
  await sleep(100);
}
