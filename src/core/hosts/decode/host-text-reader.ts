/**
 * Finds what tells about a host in any text: `ip address`, `ip route`, `ip rule`, `ip neighbour`, `sysctl -a`, `ss -an`,
 * `nstat`, plain or as JSON.
 *
 * Lines are known by their form. A heading, as a script or a shell's prompt leaves it (`# ip -6 rule show`), tells what the
 * lines below it cannot: the family, and the table. Below a heading, a line that nobody understands is kept as unread.
 */
import type { HostSection, HostSnapshot, IpFamily, MulticastGroup, Socket } from "../host.ts";
import { HostDraft } from "../host-draft.ts";
import { counterLine, decodePacketQueues } from "./counters.ts";
import type { JsonObject } from "./fields.ts";
import { beginsListedIpset, beginsSavedIpset, isIpsetLine } from "./ipset-lines.ts";
import { continueLink, linkLine, oneLineAddress } from "./links.ts";
import { decodeMulticastFiles, type MULTICAST_FILES, maddressDevice, maddressLine } from "./multicast.ts";
import { neighbourLine } from "./neighbours.ts";
import { policyRuleLine } from "./policy-rules.ts";
import { nextHopLine, routeLine } from "./routes.ts";
import { settingLine } from "./settings.ts";
import { isSocketHeading, socketRow } from "./sockets.ts";
import {
  type Listing,
  readAddress,
  readLinks,
  readPolicyRules,
  readRoutes,
  readToolJson,
  UNTOLD,
} from "./tool-json.ts";

/** Lines of one listing that are understood together. */
type Open =
  | { readonly kind: "links"; readonly objects: Record<string, unknown>[] }
  | { readonly kind: "routes"; readonly objects: Record<string, unknown>[] }
  | { readonly kind: "rules"; readonly objects: JsonObject[] }
  | { readonly kind: "sockets"; readonly rows: Socket[] }
  | { readonly kind: "packet queues"; readonly lines: string[] }
  | { readonly kind: "ipsets"; readonly lines: string[] }
  | { readonly kind: "multicast groups"; readonly file: MulticastFile; readonly lines: string[] }
  | { readonly kind: "maddress"; dev: string; readonly groups: MulticastGroup[] };

type MulticastFile = (typeof MULTICAST_FILES)[number];

export class HostTextReader {
  readonly #draft = new HostDraft();
  #open: Open | null = null;
  #heading: Heading | null = null;
  /** Whether something was read below the heading. */
  #hasBegun = false;
  /** Of /proc/net, which are understood together. */
  readonly #files = new Map<MulticastFile, string>();
  #lines = 0;
  /** The last line that nothing open took. */
  #before = "";

  /** Lines that told something. */
  get lines(): number {
    return this.#lines;
  }

  /** Takes the next line, without its end. True: it tells about a host. */
  read(line: string): boolean {
    const isRead = this.#read(line);
    if (isRead) this.#lines++;
    return isRead;
  }

  /** Takes a text that is one JSON document, on as many lines as it likes. True: it tells about a host. */
  readDocument(text: string): boolean {
    const isRead = this.#document(text);
    if (isRead) this.#lines++;
    return isRead;
  }

  /** What follows is of another input: no listing and no heading reaches over. */
  endInput(): void {
    this.#close();
    this.#heading = null;
  }

  /** What was read so far, as a host; null when it was nothing. */
  end(netns: string | null = null): HostSnapshot | null {
    this.#close();
    const igmp = this.#files.get("igmp");
    if (igmp !== undefined) {
      const igmp6 = this.#files.get("igmp6") ?? "";
      this.#draft.multicastGroups(
        decodeMulticastFiles({ igmp, igmp6, mcfilter: this.#files.get("mcfilter") ?? null }),
      );
    }
    return this.#draft.isEmpty ? null : this.#draft.end(netns, null);
  }

  #read(line: string): boolean {
    const heading = mayBeHeading(line) ? headingOf(line) : null;
    if (heading !== null) {
      this.#close();
      this.#heading = heading;
      this.#hasBegun = false;
      // The file of a host on which no program waits is empty: its heading tells that.
      if (PACKET_QUEUES.test(line)) this.#begin({ kind: "packet queues", lines: [] });
      const file = MULTICAST_FILE.exec(line)?.[1];
      if (file !== undefined)
        this.#begin({ kind: "multicast groups", file: file as MulticastFile, lines: [] });
      return false;
    }
    if (line.trim() === "" && this.#open?.kind === "ipsets") {
      // It stands between two sets of one listing.
      this.#open.lines.push("");
      return false;
    }
    if (line.trim() === "") {
      // In mails an empty line ends what a heading speaks of, but for one right below it.
      this.#close();
      if (this.#hasBegun) this.#heading = null;
      return false;
    }
    const isRead = this.#understand(line);
    if (isRead) {
      this.#hasBegun = true;
    } else {
      this.#close();
      if (this.#heading?.section != null)
        this.#draft.unread(this.#heading.section, line, "not a line of that listing");
    }
    return isRead;
  }

  #understand(line: string): boolean {
    const open = this.#open;
    if (open?.kind === "multicast groups") {
      open.lines.push(line);
      return true;
    }
    if (this.#maddress(open, line)) return true;
    if (open?.kind === "packet queues") return this.#packetQueue(open, line);
    if (open?.kind === "ipsets" && this.#ipset(open, line)) return true;
    const before = this.#before;
    this.#before = line;
    if (beginsSavedIpset(line) || beginsListedIpset(before, line)) {
      this.#begin({ kind: "ipsets", lines: [before, line] });
      return true;
    }
    const first = line.charCodeAt(0);
    if (first === SPACE || first === TAB) return this.#continue(open, line);
    if (first === BRACKET || first === BRACE) return this.#json(line);
    if (isUpper(first)) return this.#counters(line) || this.#socket(line);
    if (isDigit(first) && (this.#link(line) || this.#rule(line))) return true;
    return this.#setting(line) || this.#neighbour(line) || this.#route(line) || this.#socket(line);
  }

  #continue(open: Open | null, line: string): boolean {
    if (open?.kind === "links") {
      const link = open.objects.at(-1);
      return link !== undefined && continueLink(link, line);
    }
    if (open?.kind !== "routes") return false;
    const hop = nextHopLine(line);
    const route = open.objects.at(-1);
    if (hop === null || route === undefined) return false;
    route.nexthops = [...(Array.isArray(route.nexthops) ? route.nexthops : []), hop];
    return true;
  }

  #json(line: string): boolean {
    if (!/^(\[\s*\{|\{\s*"kernel")/.test(line)) return false;
    this.#close();
    return this.#document(line);
  }

  #document(text: string): boolean {
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch {
      return false;
    }
    return readToolJson(document, this.#draft, this.#listing);
  }

  #link(line: string): boolean {
    const object = linkLine(line);
    if (object === null) return this.#oneLineAddress(line);
    if (this.#open?.kind === "links") this.#open.objects.push(object);
    else this.#begin({ kind: "links", objects: [object] });
    return true;
  }

  #oneLineAddress(line: string): boolean {
    const found = oneLineAddress(line);
    if (found === null) return false;
    this.#close();
    readAddress(found.name, found.info, this.#draft);
    return true;
  }

  #rule(line: string): boolean {
    const object = policyRuleLine(line);
    if (object === null) return false;
    if (this.#open?.kind === "rules") this.#open.objects.push(object);
    else this.#begin({ kind: "rules", objects: [object] });
    return true;
  }

  /** An address alone is a route only where routes are listed; in prose it is a word. */
  #route(line: string): boolean {
    if (!ROUTE_START.test(line)) return false;
    const object = routeLine(line);
    if (object === null) return false;
    if (this.#open?.kind === "routes") this.#open.objects.push({ ...object });
    else this.#begin({ kind: "routes", objects: [{ ...object }] });
    return true;
  }

  #neighbour(line: string): boolean {
    const neighbour = / dev /.test(line) ? neighbourLine(line) : null;
    if (neighbour === null) return false;
    this.#close();
    this.#draft.neighbours([neighbour]);
    return true;
  }

  #setting(line: string): boolean {
    const setting = line.includes("=") ? settingLine(line) : null;
    if (setting === null) return false;
    this.#close();
    this.#draft.setting(setting.name, setting.value);
    return true;
  }

  #counters(line: string): boolean {
    const counter = counterLine(line);
    if (counter === null) return false;
    this.#close();
    this.#draft.counters({ [counter.name]: counter.value });
    return true;
  }

  #socket(line: string): boolean {
    if (isSocketHeading(line)) {
      this.#begin({ kind: "sockets", rows: [] });
      return true;
    }
    const rows = this.#open?.kind === "sockets" ? this.#open.rows : null;
    const row = SOCKET_START.test(line) ? socketRow(line, rows?.at(-1)?.protocol ?? null) : null;
    if (row === null) return false;
    if (rows === null) this.#begin({ kind: "sockets", rows: [row] });
    else rows.push(row);
    return true;
  }

  #packetQueue(open: Open & { readonly kind: "packet queues" }, line: string): boolean {
    const isRow = decodePacketQueues(line).length > 0;
    if (isRow) open.lines.push(line);
    // The file could not be read, or something else begins.
    else if (open.lines.length === 0) this.#open = null;
    else this.#close();
    return isRow || this.#understand(line);
  }

  #ipset({ lines }: Open & { readonly kind: "ipsets" }, line: string): boolean {
    const isInMembers = lines.lastIndexOf("Members:") > lines.lastIndexOf("");
    if (!isIpsetLine(line, isInMembers)) return false;
    lines.push(line);
    return true;
  }

  #maddress(open: Open | null, line: string): boolean {
    const dev = maddressDevice(line);
    if (dev !== null) {
      if (open?.kind === "maddress") open.dev = dev;
      else this.#begin({ kind: "maddress", dev, groups: [] });
      return true;
    }
    const groups = open?.kind === "maddress" ? maddressLine(open.dev, line) : null;
    if (open?.kind === "maddress") open.groups.push(...(groups ?? []));
    return groups !== null;
  }

  get #listing(): Listing {
    return this.#heading?.listing ?? UNTOLD;
  }

  #begin(open: Open): void {
    this.#close();
    this.#open = open;
  }

  #close(): void {
    const open = this.#open;
    this.#open = null;
    switch (open?.kind) {
      case "links":
        // `ip link` and `ip address` of a host without addresses look alike.
        readLinks(open.objects.map(withoutEmptyAddresses), this.#draft);
        break;
      case "routes":
        readRoutes(withoutTwins(open.objects), this.#draft, this.#listing);
        break;
      case "rules":
        readPolicyRules(open.objects, this.#draft, this.#listing.family);
        break;
      case "sockets":
        this.#draft.sockets(open.rows);
        break;
      case "packet queues":
        this.#draft.packetQueues(decodePacketQueues(open.lines.join("\n")));
        break;
      case "multicast groups":
        this.#files.set(open.file, open.lines.join("\n"));
        break;
      case "maddress":
        if (open.groups.length > 0) this.#draft.multicastGroups(open.groups);
        break;
      case "ipsets":
        this.#draft.rulesets([{ command: "ipset save", text: `${open.lines.join("\n")}\n` }]);
        break;
      case undefined:
        break;
    }
  }
}

/** Every line of a listing that is known to be of this section: what is not understood is kept as unread. */
export function readHostListing(section: "sockets", text: string, draft: HostDraft): void {
  const rows: Socket[] = [];
  for (const line of text.split("\n")) {
    if (line.trim() === "" || isSocketHeading(line)) continue;
    const row = socketRow(line, rows.at(-1)?.protocol ?? null);
    if (row === null) draft.unread(section, line, "not a line of that listing");
    else rows.push(row);
  }
  draft.sockets(rows);
}

const MULTICAST_FILE = /\/proc\/(?:[\w-]+\/)?net\/(igmp6?|mcfilter)\s*$/;
const PACKET_QUEUES = /nfnetlink_queue\s*$/;
const SPACE = 32;
const TAB = 9;
const BRACKET = 91;
const BRACE = 123;

function isUpper(code: number): boolean {
  return code >= 65 && code <= 90;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

const ROUTE_START =
  /^(?:(?:unicast|local|broadcast|anycast|multicast|blackhole|unreachable|prohibit|throw) )?(?:default|[\da-f]*[.:][\da-f.:]*(?:\/\d+)?)(?: (?:via|dev|proto|table|metric|scope|src|nhid|tos|from|encap|mtu)\b| *$)|^(?:blackhole|unreachable|prohibit|throw) /;
const SOCKET_START = /^(?:[A-Z][A-Z-]+|(?:tcp|udp|raw|icmp6?|sctp|dccp|mptcp)\s+[A-Z][A-Z-]+)\s+\d+\s/;

function withoutEmptyAddresses(object: Record<string, unknown>): JsonObject {
  if (!Array.isArray(object.addr_info) || object.addr_info.length > 0) return object;
  const { addr_info: _none, ...rest } = object;
  return rest;
}

/** `ip route show table all; ip -6 route show table all` prints IPv6's routes twice, in one listing to us. */
function withoutTwins(objects: readonly JsonObject[]): readonly JsonObject[] {
  return [...new Map(objects.map((object) => [JSON.stringify(object), object])).values()];
}

/** Most lines of most inputs are log lines: a cheap look before the dear one. */
function mayBeHeading(line: string): boolean {
  return line.length < 300 && /[#$>]/.test(line);
}

interface Heading {
  readonly section: HostSection | null;
  readonly listing: Listing;
}

/** `# ip -6 route show table all`, `$ ip r`, `root@host:~# ss -uanp`: what the lines below are. */
function headingOf(line: string): Heading | null {
  const [, command] =
    /^(?:#|\$|>|[\w@.:~/[\] -]{1,60}[#$]) ?((?:sudo )?(?:ip|ss|sysctl|nstat|ipset|conntrack|iptables|nft|bridge|cat|uname)\b.*|\/proc\/\S+)$/.exec(
      line,
    ) ?? [];
  if (command === undefined) return null;
  const words = command.replace(/^sudo /, "").split(/\s+/);
  if (words[0] !== "ip") return { section: null, listing: UNTOLD };
  const object = words.slice(1).find((word) => !word.startsWith("-")) ?? "";
  const family: IpFamily | null = words.includes("-6") ? "ip6" : words.includes("-4") ? "ip" : null;
  const at = words.findIndex((word) => word === "table" || word === "t");
  const section = sectionOf(object);
  // Without -6, `ip rule` is of IPv4.
  const listing: Listing = {
    family: section === "policy rules" ? (family ?? "ip") : family,
    table: at === -1 ? null : (words[at + 1] ?? null),
  };
  return { section, listing };
}

function sectionOf(object: string): HostSection | null {
  if (object === "") return null;
  const found = (
    [
      ["address", "addresses"],
      ["link", "links"],
      ["route", "routes"],
      ["rule", "policy rules"],
      ["neighbour", "neighbours"],
      ["neighbor", "neighbours"],
    ] as const
  ).find(([word]) => word.startsWith(object));
  return found?.[1] ?? null;
}
