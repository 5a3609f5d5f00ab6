import { describe, expect, it } from "vitest";
import { statusHasCapability } from "../../src/linux/capabilities.ts";
import { isEnabled, parseLoggers } from "../../src/linux/kernel.ts";
import { attribute, netlinkMessage } from "../../src/linux/netlink.ts";
import { findNetns, netnsPath } from "../../src/linux/netns.ts";
import { debianPackageOf, findProgram } from "../../src/linux/programs.ts";
import { withoutOwnTables } from "../../src/linux/ruleset-texts.ts";

describe("capabilities", () => {
  it("are read from the effective set", () => {
    const status = "CapPrm:\t000001ffffffffff\nCapEff:\t0000000000001000\n";
    expect(statusHasCapability(status, "CAP_NET_ADMIN")).toBe(true);
    expect(statusHasCapability(status, "CAP_SYS_ADMIN")).toBe(false);
    expect(statusHasCapability("", "CAP_NET_ADMIN")).toBe(false);
  });
});

describe("the kernel", () => {
  it("lists its loggers by family", () => {
    const loggers = parseLoggers(
      " 0 NONE (nfnetlink_log)\n 2 nf_log_ipv4 (nf_log_ipv4,nfnetlink_log)\n 3 NONE ()\n",
    );
    expect(loggers).toEqual({ 0: ["nfnetlink_log"], 2: ["nf_log_ipv4", "nfnetlink_log"], 3: [] });
  });

  it("has what its configuration says, built in or as a module", () => {
    const config = "#\nCONFIG_NF_TABLES=m\n# CONFIG_NFT_QUEUE is not set\nCONFIG_NETFILTER=y\n";
    expect(
      ["CONFIG_NF_TABLES", "CONFIG_NETFILTER", "CONFIG_NFT_QUEUE", "CONFIG_NF"].map((name) =>
        isEnabled(config, name),
      ),
    ).toEqual([true, true, false, false]);
  });
});

describe("namespaces", () => {
  it("are named, given by path, or by a process in them", () => {
    expect(netnsPath("shop")).toBe("/run/netns/shop");
    expect(netnsPath("/proc/7/ns/net")).toBe("/proc/7/ns/net");
    expect(netnsPath("pid:812")).toBe("/proc/812/ns/net");
    expect(netnsPath(null)).toBeNull();
  });

  it.each(["nfpTnone", ".", "..", "", "pid:999999999"])(
    "that are not there are refused with what to do: %j",
    (name) => {
      expect(findNetns(name)).toMatchObject({
        ok: false,
        error: { kind: "missing-netns", hint: expect.stringContaining("pid:N") },
      });
    },
  );

  it("of a running process are found", () => {
    expect(findNetns(`pid:${process.pid}`)).toEqual({ ok: true, value: `/proc/${process.pid}/ns/net` });
  });
});

describe("programs", () => {
  it("are looked for on the PATH, and refused where there are none", () => {
    expect(findProgram("sh", "/usr/bin:/bin")).toMatch(/\/sh$/);
    expect(findProgram("nfpath-no-such-program", "/usr/bin")).toBeNull();
    expect(findProgram("/etc/passwd")).toBeNull();
  });

  it("have a Debian package where one is known", () => {
    expect(debianPackageOf("ip6tables-nft-save")).toBe("iptables");
    expect(debianPackageOf("something")).toBeNull();
  });
});

describe("netlink messages to send", () => {
  it("are padded to four bytes, with lengths that do not count the padding", () => {
    expect(attribute(5, Buffer.from([1, 2])).toString("hex")).toMatch(/^(06000500|00060005)01020000$/);
  });

  it("have their own length in front", () => {
    const message = netlinkMessage(0x0401, 5, 7, Buffer.from("abcd"));
    expect(message).toHaveLength(20);
    expect(new Uint32Array(message.buffer.slice(message.byteOffset, message.byteOffset + 4))[0]).toBe(20);
  });
});

describe("a listing of rules", () => {
  const listing = (...entries: unknown[]) => `${JSON.stringify({ nftables: entries })}\n`;
  const foreign = { rule: { family: "ip", table: "filter", chain: "INPUT", handle: 4, expr: [] } };

  it("is left as it is when none of our tables is in it", () => {
    const text = `{"nftables": [ {"table": {"family":"ip","name":"filter"}} ]}\n`;
    expect(withoutOwnTables(text)).toBe(text);
  });

  it("loses our tables and all that is in them, and nothing else", () => {
    const own = [
      { table: { family: "inet", name: "nfpath_ab12", handle: 1 } },
      { chain: { family: "inet", table: "nfpath_ab12", name: "output" } },
      { rule: { family: "inet", table: "nfpath_ab12", chain: "output", handle: 2, expr: [] } },
    ];
    const comment = {
      rule: { family: "ip", table: "filter", chain: "INPUT", handle: 5, comment: "nfpath_ab12", expr: [] },
    };
    expect(withoutOwnTables(listing({ metainfo: {} }, ...own, foreign, comment))).toBe(
      listing({ metainfo: {} }, foreign, comment),
    );
  });
});
