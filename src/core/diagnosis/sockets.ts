/** Which sockets of a snapshot would take a packet that was delivered. */
import type { HostSnapshot, Socket } from "../hosts/host.ts";
import type { Packet } from "../packets/packet.ts";

/**
 * Those that may have it, the program's own and those that listen; null where nobody looked, or the protocol has none. A socket of IPv6
 * that is bound to no address takes IPv4 too.
 */
export function socketsFor(packet: Packet, host: HostSnapshot | null): readonly Socket[] | null {
  if (host === null || host.sockets === null) return null;
  if (packet.protocol !== "udp" && packet.protocol !== "tcp") return null;
  return host.sockets.filter(
    ({ protocol, state, local, remote }) =>
      protocol === packet.protocol &&
      (local.port === null || local.port === packet.dport) &&
      (local.address === null || isSameAddress(local.address, packet.dst)) &&
      (state === "LISTEN" ||
        remote.port === null ||
        (remote.port === packet.sport &&
          (remote.address === null || isSameAddress(remote.address, packet.src)))),
  );
}

/** `ss` shows IPv4 at an IPv6 socket as `::ffff:192.0.2.1`. */
function isSameAddress(socket: string, packet: string | null): boolean {
  return socket === packet || socket.replace(/^::ffff:(?=\d+\.)/, "") === packet;
}

/** How far a counter has grown between two snapshots; 0 where there is one only, or it is in neither. */
export function grownBy(name: string, host: HostSnapshot | null, atEnd: HostSnapshot | null): number {
  const [before, after] = [host?.counters?.[name], atEnd?.counters?.[name]];
  return host === atEnd || before === undefined || after === undefined ? 0 : Math.max(0, after - before);
}
