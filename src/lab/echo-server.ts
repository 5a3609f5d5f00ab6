/**
 * A program: answers each UDP datagram with the same bytes, as the article's `ncat -u -e /bin/cat -k -l` did.
 *
 *     node echo-server.js PORT
 *
 * Prints one line, `listening`, when datagrams will be answered; runs until its standard input ends, so that it
 * cannot outlive the process that started it.
 */
import { createSocket } from "node:dgram";

const port = Number(process.argv[2]);
const socket = createSocket("udp4");
socket.on("message", (payload, from) => socket.send(payload, from.port, from.address));
socket.bind(port, () => process.stdout.write("listening\n"));
process.stdin.on("end", () => process.exit(0)).resume();
