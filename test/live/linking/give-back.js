/**
 * A program behind NFQUEUE: `node give-back.js QUEUE COUNT`. It holds COUNT packets and then gives them back, the last first. Prints
 * `listening` when the queue is its own, `given back` when it has none any more.
 */
const dist = (/** @type {string} */ path) => new URL(`../../../dist/linux/${path}`, import.meta.url).href;
const { attribute, netlinkMessage, NLM_F_REQUEST } = await import(dist("netlink.js"));
const { NETLINK_NETFILTER, openNetlink, request, sendNetlink } = await import(dist("netlink-socket.js"));
const { poll, recv } = await import(dist("libc.js"));

const [queue, count] = process.argv.slice(2).map(Number);
const QUEUE_SUBSYSTEM = 3;
const [PACKET, VERDICT, CONFIG] = [0, 1, 2];
const [COMMAND, PARAMETERS] = [1, 2];
const [PACKET_HEADER, VERDICT_HEADER] = [1, 2];
const NF_ACCEPT = 1;

const typeOf = (/** @type {number} */ message) => (QUEUE_SUBSYSTEM << 8) | message;
const header = Buffer.from([0, 0, queue >> 8, queue & 0xff]); // struct nfgenmsg
const fd = openNetlink(NETLINK_NETFILTER);
const ask = (/** @type {Buffer} */ attributes, /** @type {number} */ sequence) =>
  request(fd, typeOf(CONFIG), sequence, Buffer.concat([header, attributes]), () => {});
ask(attribute(COMMAND, Buffer.from([1, 0, 0, 0])), 1); // NFQNL_CFG_CMD_BIND
ask(attribute(PARAMETERS, Buffer.from([0, 0, 0, 0, 1])), 2); // NFQNL_COPY_META
console.log("listening");

/** @type {Buffer[]} */
const held = [];
const buffer = Buffer.alloc(65_536);
while (held.length < count) {
  const length = recv(fd, buffer, 0x40); // MSG_DONTWAIT
  if (length === 0) poll([fd], 1000);
  for (let at = 0; at + 20 <= length; at += (buffer.readUInt32LE(at) + 3) & ~3) {
    if (buffer.readUInt16LE(at + 4) !== typeOf(PACKET)) continue;
    // Its first attribute: the packet's id, which the verdict names.
    if (buffer.readUInt16LE(at + 22) !== PACKET_HEADER) throw new Error("a packet without its header");
    held.push(Buffer.from(buffer.subarray(at + 24, at + 28)));
  }
}
for (const id of held.reverse()) {
  const verdict = attribute(VERDICT_HEADER, Buffer.concat([Buffer.from([0, 0, 0, NF_ACCEPT]), id]));
  sendNetlink(fd, netlinkMessage(typeOf(VERDICT), NLM_F_REQUEST, 0, Buffer.concat([header, verdict])));
}
console.log("given back");
