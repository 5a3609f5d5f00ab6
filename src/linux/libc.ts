/**
 * The C library: what Node has no word for. The only file that knows koffi.
 *
 * Calls are synchronous and on the calling thread. That matters for `setns`, which moves one thread only, and for
 * `recvmmsg`, whose buffers must not be collected while the kernel holds their addresses.
 */
import koffi from "koffi";

const libc = koffi.load(null);

const socketCall = libc.func("int socket(int domain, int type, int protocol)");
const bindCall = libc.func("int bind(int fd, const void *address, uint32_t length)");
const connectCall = libc.func("int connect(int fd, const void *address, uint32_t length)");
const setsockoptCall = libc.func(
  "int setsockopt(int fd, int level, int option, const void *value, uint32_t length)",
);
const getsockoptCall = libc.func(
  "int getsockopt(int fd, int level, int option, _Inout_ void *value, _Inout_ uint32_t *length)",
);
const sendCall = libc.func("intptr_t send(int fd, const void *data, size_t length, int flags)");
const recvCall = libc.func("intptr_t recv(int fd, void *data, size_t length, int flags)");
const recvmmsgCall = libc.func(
  "int recvmmsg(int fd, void *messages, uint32_t count, int flags, void *timeout)",
);
const pollCall = libc.func("int poll(void *fds, unsigned long count, int timeout)");
const adjtimexCall = libc.func("int adjtimex(_Inout_ void *timex)");
const clockGettimeCall = libc.func("int clock_gettime(int clock, _Out_ void *time)");
const setnsCall = libc.func("int setns(int fd, int type)");
const flockCall = libc.func("int flock(int fd, int operation)");
const capgetCall = libc.func("int capget(void *header, void *data)");
const capsetCall = libc.func("int capset(void *header, const void *data)");
// Declared with variable arguments, of which the kernel looks at five words whatever the option.
const prctlCall = libc.func(
  "int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)",
);
const ifNameToIndexCall = libc.func("uint32_t if_nametoindex(const char *name)");

export const CLONE_NEWNET = 0x4000_0000;
export const AF_NETLINK = 16;
export const AF_INET = 2;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_RCVBUF = 8;
export const SO_RCVBUFFORCE = 33;
/** Linux 4.12 and later; the ninth of its 32-bit words counts what the socket has dropped. */
export const SO_MEMINFO = 55;
export const SOL_NETLINK = 270;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
const MSG_TRUNC = 0x20;
const CLOCK_BOOTTIME = 7;
const LOCK_EX = 2;
const LOCK_NB = 4;
const POLLIN = 1;
const POLLOUT = 4;

/** Why a call failed: `EPERM`, `ENOBUFS` …; the number in decimal when it has no name here. */
export class SystemCallError extends Error {
  readonly call: string;
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = ERRNO_NAMES.get(errno) ?? String(errno);
    super(`${call}: ${code}`);
    this.call = call;
    this.code = code;
  }
}

/** EWOULDBLOCK is another name for EAGAIN, and would hide it. */
const ERRNO_NAMES = new Map(
  Object.entries(koffi.os.errno)
    .filter(([name]) => name !== "EWOULDBLOCK")
    .map(([name, number]) => [number, name]),
);

/** File descriptor of a new socket. Throws `SystemCallError`. */
export function socket(domain: number, type: number, protocol: number): number {
  return checked("socket", socketCall(domain, type, protocol));
}

export function bind(fd: number, address: Uint8Array): void {
  checked("bind", bindCall(fd, address, address.length));
}

export function connect(fd: number, address: Uint8Array): void {
  checked("connect", connectCall(fd, address, address.length));
}

export function setsockopt(fd: number, level: number, option: number, value: Uint8Array): void {
  checked("setsockopt", setsockoptCall(fd, level, option, value, value.length));
}

/** Fills `value` and returns how many bytes of it. */
export function getsockopt(fd: number, level: number, option: number, value: Uint8Array): number {
  const length = [value.length];
  checked("getsockopt", getsockoptCall(fd, level, option, value, length));
  return length[0] ?? 0;
}

export function send(fd: number, data: Uint8Array): void {
  checked("send", sendCall(fd, data, data.length, 0));
}

/** Bytes that were taken, which may be fewer than given; 0 when none are at the moment and `flags` has MSG_DONTWAIT. */
export function sendSome(fd: number, data: Uint8Array, flags: number): number {
  const length = sendCall(fd, data, data.length, flags);
  if (length >= 0) return length;
  if (isNothingYet()) return 0;
  throw lastError("send");
}

/** Bytes received into `data`; 0 when nothing is waiting and `flags` has MSG_DONTWAIT. */
export function recv(fd: number, data: Uint8Array, flags: number): number {
  const length = recvCall(fd, data, data.length, flags);
  if (length >= 0) return length;
  if (isNothingYet()) return 0;
  throw lastError("recv");
}

/** The state of the clock (`TIME_OK` 0 … `TIME_ERROR` 5), asked without setting anything. */
export function clockState(): number {
  // `struct timex` with modes 0; 208 bytes on 64-bit machines.
  return checked("adjtimex", adjtimexCall(Buffer.alloc(256)));
}

/** Nanoseconds since this machine was started, sleep included: the clock of the kernel's tracing. */
export function bootNanos(): bigint {
  const time = Buffer.alloc(16);
  checked("clock_gettime", clockGettimeCall(CLOCK_BOOTTIME, time));
  const view = new BigInt64Array(time.buffer, time.byteOffset, 2);
  return (view[0] ?? 0n) * 1_000_000_000n + (view[1] ?? 0n);
}

/** Number of an interface of the calling thread's namespace. */
export function interfaceIndex(name: string): number {
  const index: number = ifNameToIndexCall(name);
  if (index === 0) throw lastError("if_nametoindex");
  return index;
}

/** Moves the calling thread into the namespace behind `fd`. */
export function setns(fd: number, type: number): void {
  checked("setns", setnsCall(fd, type));
}

/** A thread's sets, bit n for capability n. */
export interface CapabilitySets {
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
}

/** `_LINUX_CAPABILITY_VERSION_3`: two times three words of 32 bits. */
const CAPABILITY_VERSION = 0x2008_0522;

/** Of the calling thread. */
export function capget(): CapabilitySets {
  const data = Buffer.alloc(24);
  checked("capget", capgetCall(capabilityHeader(), data));
  const set = (at: number): bigint =>
    BigInt(readHostU32(data, at)) | (BigInt(readHostU32(data, at + 12)) << 32n);
  return { effective: set(0), permitted: set(4), inheritable: set(8) };
}

/** Of the calling thread alone, and of what it starts from then on. Throws `SystemCallError`. */
export function capset({ effective, permitted, inheritable }: CapabilitySets): void {
  const data = Buffer.alloc(24);
  for (const [i, set] of [effective, permitted, inheritable].entries()) {
    writeHostU32(data, Number(set & 0xffff_ffffn), i * 4);
    writeHostU32(data, Number(set >> 32n), i * 4 + 12);
  }
  checked("capset", capsetCall(capabilityHeader(), data));
}

function capabilityHeader(): Buffer {
  const header = Buffer.alloc(8);
  writeHostU32(header, CAPABILITY_VERSION, 0);
  return header;
}

export const PR_CAPBSET_READ = 23;
export const PR_CAPBSET_DROP = 24;
export const PR_GET_SECUREBITS = 27;
export const PR_SET_SECUREBITS = 28;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_CAP_AMBIENT = 47;

/** Of the calling thread. Throws `SystemCallError`. */
export function prctl(option: number, a: number, b = 0): number {
  return checked("prctl", prctlCall(option, a, b, 0, 0));
}

/** Locks a file for this process alone, without waiting; false while somebody else has it. Freed when `fd` is closed. */
export function tryLock(fd: number): boolean {
  if (flockCall(fd, LOCK_EX | LOCK_NB) === 0) return true;
  if (isNothingYet()) return false;
  throw lastError("flock");
}

/**
 * Waits until one of the descriptors has something to read, or `writable` takes something, or for `timeout` milliseconds (-1:
 * for ever). Returns the events of each of `fds`, in the order given.
 */
export function poll(fds: readonly number[], timeout: number, writable: number | null = null): number[] {
  const count = fds.length + (writable === null ? 0 : 1);
  const entries = Buffer.alloc(count * 8);
  for (const [i, fd] of fds.entries()) {
    writeHostU32(entries, fd, i * 8);
    writeHostU16(entries, POLLIN, i * 8 + 4);
  }
  if (writable !== null) {
    writeHostU32(entries, writable, fds.length * 8);
    writeHostU16(entries, POLLOUT, fds.length * 8 + 4);
  }
  const ready = pollCall(entries, count, timeout);
  if (ready < 0) {
    if (koffi.errno() !== koffi.os.errno.EINTR) throw lastError("poll");
  }
  return fds.map((_, i) => (ready > 0 ? readHostU16(entries, i * 8 + 6) : 0));
}

/**
 * Room for `slots` datagrams of up to `slotBytes` each, to be filled by one `recvmmsg`. Lives as long as its owner keeps it;
 * the buffers are members, so the kernel never writes into freed memory.
 */
export class DatagramBatch {
  readonly slots: number;
  readonly slotBytes: number;
  readonly data: Buffer;
  /** Datagrams that the last `receive` brought. */
  count = 0;
  readonly #vectors: Buffer;
  readonly #headers: Buffer;

  constructor(slots: number, slotBytes: number) {
    this.slots = slots;
    this.slotBytes = slotBytes;
    this.data = Buffer.alloc(slots * slotBytes);
    this.#vectors = Buffer.alloc(slots * IOVEC);
    this.#headers = Buffer.alloc(slots * MMSGHDR);
    const dataAddress = koffi.address(this.data);
    const vectorAddress = koffi.address(this.#vectors);
    for (let i = 0; i < slots; i++) {
      writeHostU64(this.#vectors, dataAddress + BigInt(i * slotBytes), i * IOVEC);
      writeHostU64(this.#vectors, BigInt(slotBytes), i * IOVEC + 8);
      writeHostU64(this.#headers, vectorAddress + BigInt(i * IOVEC), i * MMSGHDR + MSG_IOV);
      writeHostU64(this.#headers, 1n, i * MMSGHDR + MSG_IOVLEN);
    }
  }

  /** Takes what is waiting, without blocking. Throws `SystemCallError`; `ENOBUFS` means that messages were lost. */
  receive(fd: number): number {
    this.count = 0;
    const received = recvmmsgCall(fd, this.#headers, this.slots, MSG_DONTWAIT, null);
    if (received < 0) {
      if (isNothingYet()) return 0;
      throw lastError("recvmmsg");
    }
    this.count = received;
    return received;
  }

  lengthOf(slot: number): number {
    return readHostU32(this.#headers, slot * MMSGHDR + MSG_LEN);
  }

  /** Whether the datagram was longer than its slot, and is cut. */
  isTruncated(slot: number): boolean {
    return (readHostU32(this.#headers, slot * MMSGHDR + MSG_FLAGS) & MSG_TRUNC) !== 0;
  }
}

/** 64-bit layouts of `struct iovec`, `struct mmsghdr` and the fields of the `struct msghdr` in it. */
const IOVEC = 16;
const MMSGHDR = 64;
const MSG_IOV = 16;
const MSG_IOVLEN = 24;
const MSG_FLAGS = 48;
const MSG_LEN = 56;

export const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function writeHostU16(buffer: Buffer, value: number, at: number): void {
  if (IS_LITTLE_ENDIAN) buffer.writeUInt16LE(value, at);
  else buffer.writeUInt16BE(value, at);
}

function writeHostU32(buffer: Buffer, value: number, at: number): void {
  if (IS_LITTLE_ENDIAN) buffer.writeUInt32LE(value, at);
  else buffer.writeUInt32BE(value, at);
}

function readHostU16(buffer: Buffer, at: number): number {
  return IS_LITTLE_ENDIAN ? buffer.readUInt16LE(at) : buffer.readUInt16BE(at);
}

function readHostU32(buffer: Buffer, at: number): number {
  return IS_LITTLE_ENDIAN ? buffer.readUInt32LE(at) : buffer.readUInt32BE(at);
}

function writeHostU64(buffer: Buffer, value: bigint, at: number): void {
  if (IS_LITTLE_ENDIAN) buffer.writeBigUInt64LE(value, at);
  else buffer.writeBigUInt64BE(value, at);
}

/** Asked tens of thousands of times a second: no exception is made for it. */
function isNothingYet(): boolean {
  const errno = koffi.errno();
  return errno === koffi.os.errno.EAGAIN || errno === koffi.os.errno.EINTR;
}

function checked(call: string, result: number): number {
  if (result < 0) throw lastError(call);
  return result;
}

function lastError(call: string): SystemCallError {
  return new SystemCallError(call, koffi.errno());
}
