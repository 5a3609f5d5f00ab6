/** What no kernel has to judge: listings as people send them, and sets of which not enough is known. */
import { describe, expect, test } from "vitest";
import { unknownPacket } from "../../../src/core/packets/packet.ts";
import { ipsetBook } from "../../../src/core/rulesets/ipsets/ipset-book.ts";
import { readIpsets } from "../../../src/core/rulesets/ipsets/read-ipsets.ts";
import { evaluateMatch } from "../../../src/core/rulesets/match/evaluate-match.ts";
import { listedHost } from "../../support/listed-host.ts";

const SAVED = `create friends hash:ip family inet hashsize 1024 maxelem 65536 timeout 600 comment bucketsize 12 initval 0x0b5ae3a4
add friends 192.0.2.9 timeout 99 comment "ours, since spring"
add friends 192.0.2.10 timeout 0
create nets hash:net family inet hashsize 1024 maxelem 65536
add nets 10.0.0.0/8
add nets 10.1.0.0/16 nomatch
create stations hash:mac hashsize 1024 maxelem 65536
add stations 02:00:00:00:00:01
create odd hash:ip,unheard family inet
add odd 10.0.0.1,7
create both list:set size 8
add both nets
add both gone
`;

const book = ipsetBook(readIpsets(SAVED));
const asked = (words: string, src: string, ipsets: typeof book | null = book) =>
  evaluateMatch(
    {
      kind: "opaque",
      negated: false,
      value: `set --match-set ${words}`,
      text: `-m set --match-set ${words}`,
    },
    {
      sighting: {
        packet: {
          ...unknownPacket("ip"),
          src,
          dst: "10.1.2.3",
          protocol: "udp",
          sport: 9,
          dport: 53,
          fragmentOffset: 0,
        },
        in: "eth0",
        out: null,
        physIn: null,
        physOut: null,
        mark: null,
        uid: null,
        gid: null,
      },
      hook: "prerouting",
      mark: null,
      conntrack: null,
      states: [],
      table: null,
      ipsets,
      addressType: () => null,
      portNumber: () => null,
    },
  );

describe("a packet and an ipset", () => {
  test("an element that runs out is said to", () => {
    expect(asked("friends src", "192.0.2.9")).toMatchObject({
      holds: "matched",
      words: "192.0.2.9 was in ipset friends when it was listed, by 192.0.2.9, for 99 s from then",
    });
    expect(asked("friends src", "192.0.2.10").words).not.toContain("from then");
    expect(asked("friends src", "192.0.2.11")).toMatchObject({
      holds: "failed",
      words: "192.0.2.11 was not among the 2 of ipset friends when it was listed",
    });
  });

  test("an exception is named", () => {
    expect(asked("nets dst", "10.2.0.1")).toMatchObject({
      holds: "failed",
      words: "10.1.2.3 is an exception, 10.1.0.0/16 of ipset nets (nomatch)",
    });
  });

  test.each([
    ["friends src", "what is in ipset friends was not listed", null],
    ["absent src", "ipset absent is not among those that were listed", book],
    ["odd src,src", "sets of type hash:ip,unheard are not understood", book],
    ["stations src", "whether ? is in ipset stations is not known", book],
    ["nets src --packets-gt 5", "whether 10.2.0.1 is in ipset nets is not known", book],
    ["both dst", "set gone was not listed", book],
  ])("%s is not known", (words, why, ipsets) => {
    const answer = asked(words, "10.2.0.1", ipsets);
    expect(answer.holds).toBe("not-known");
    expect(answer.words).toContain(why);
  });

  test("a list has what one of its sets has, whatever another is", () => {
    expect(asked("both src", "10.2.0.1")).toMatchObject({ holds: "matched" });
  });
});

describe("listings in texts", () => {
  test("below a prompt, between others", () => {
    const host = listedHost(`# ip rule\n0:\tfrom all lookup local\n\nroot@gw:~# ipset list friends
Name: friends
Type: hash:ip
Revision: 6
Header: family inet hashsize 1024 maxelem 65536 timeout 600
Size in memory: 344
References: 1
Number of entries: 1
Members:
192.0.2.9 timeout 99

and that is all of it`);
    expect(readIpsets(host.rulesets?.[0]?.text ?? "")).toMatchObject([
      { name: "friends", type: "hash:ip", family: "ip", elements: [{ text: "192.0.2.9", timeout: 99 }] },
    ]);
    expect(host.unreadCount).toBe(0);
  });

  test("prose and nft's own commands are none", () => {
    expect(() => listedHost("create a table of it\nName: Smith\nadd rule ip filter input drop")).toThrow(
      "nothing in it",
    );
  });
});
