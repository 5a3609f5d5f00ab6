import { describe, expect, it } from "vitest";
import { parseRuleWords } from "../../../src/core/rulesets/iptables-rule.ts";
import { targetOptionText, targetStatements } from "../../../src/core/rulesets/iptables-targets.ts";
import { restoreWords } from "../../../src/core/rulesets/words.ts";

function matches(text: string): string[] {
  return parseRuleWords(restoreWords(text)).matches.map(
    ({ kind, negated, value }) => `${kind} ${negated ? "not " : ""}${value}`,
  );
}

describe("conditions", () => {
  it.each([
    ["-i eth0 -o eth1", ["in-interface eth0", "out-interface eth1"]],
    ["! -i docker0", ["in-interface not docker0"]],
    ["-i ! docker0", ["in-interface not docker0"]],
    ["-d ! 192.0.2.4", ["destination not 192.0.2.4"]],
    ["-s 192.0.2.0/24 ! -d 198.51.100.1/32", ["source 192.0.2.0/24", "destination not 198.51.100.1/32"]],
    ["-p tcp -m tcp --dport 22", ["protocol tcp", "destination-port 22"]],
    ["-p tcp --dport ! 22", ["protocol tcp", "destination-port not 22"]],
    ["-p tcp --dport=22", ["protocol tcp", "destination-port 22"]],
    ["-ptcp -ieth0", ["protocol tcp", "in-interface eth0"]],
    ["-p tcp -m tcp", ["protocol tcp", "protocol tcp"]],
    ["-p udp -m multiport --sports 53,67:68", ["protocol udp", "source-port 53,67:68"]],
    ["-m state --state NEW,RELATED", ["ct-state NEW,RELATED"]],
    ["-m conntrack ! --ctstate INVALID --ctstatus DNAT", ["ct-state not INVALID", "ct-status DNAT"]],
    ["-m mark --mark 0x1/0xff", ["mark 0x1/0xff"]],
    ["-m connmark --mark 0x1", ["opaque connmark --mark 0x1"]],
    ["-m addrtype --dst-type LOCAL", ["address-type LOCAL"]],
    ["-p icmp -m icmp --icmp-type 8", ["protocol icmp", "icmp-type 8"]],
    ["-p tcp --syn", ["protocol tcp", "tcp-flags FIN,SYN,RST,ACK SYN"]],
    ["-p tcp -m tcp ! --tcp-flags SYN,ACK SYN", ["protocol tcp", "tcp-flags not SYN,ACK SYN"]],
    ["! -f", ["fragment not -f"]],
    ['-m comment --comment "-j DROP"', ["comment -j DROP"]],
  ])("%s", (text, expected) => {
    expect(matches(text)).toEqual(expected);
  });

  it("keeps an extension nobody knows whole", () => {
    expect(matches("-m limit --limit 5/min --limit-burst 3 -p udp --dport 53")).toEqual([
      "opaque limit --limit 5/min --limit-burst 3",
      "protocol udp",
      "destination-port 53",
    ]);
    expect(matches("-m set ! --match-set banned src")).toEqual(["opaque not set --match-set banned src"]);
    expect(matches("-m rpfilter -i eth0")).toEqual(["opaque rpfilter", "in-interface eth0"]);
  });

  it("gives every word of a rule to some part of it", () => {
    const text =
      '-s 192.0.2.1/32 ! -i lo -p tcp -m comment --comment "x y" -m tcp --dport 80 -m recent --set --name a --rsource';
    expect(
      parseRuleWords(restoreWords(text))
        .matches.map((match) => match.text)
        .join(" "),
    ).toBe(text);
  });

  it("says what it could not read", () => {
    expect(parseRuleWords(restoreWords("-p tcp and so on")).stray).toBe("and so on");
    expect(parseRuleWords(restoreWords("-p tcp -j")).stray).toBe("-j");
    expect(parseRuleWords(restoreWords("-i -j DROP")).stray).not.toBeNull();
  });

  it("reads matches behind the target, as people write them", () => {
    const { matches: found, target } = parseRuleWords(
      restoreWords("-p tcp -j ACCEPT --dport 22 -m state --state NEW"),
    );
    expect(found.map((match) => match.kind)).toEqual(["protocol", "destination-port", "ct-state"]);
    expect(target).toMatchObject({ name: "ACCEPT", options: [] });
  });

  it("takes counters out of the rule", () => {
    const { counters, matches: found } = parseRuleWords(restoreWords("-i lo -c 12 3400 -j ACCEPT"));
    expect(counters).toEqual({ packets: 12n, bytes: 3400n });
    expect(found).toHaveLength(1);
  });
});

describe("targets", () => {
  const statements = (name: string, options: string) => targetStatements(name, restoreWords(options));

  it.each([
    ["ACCEPT", "", [{ kind: "accept" }]],
    ["REJECT", "--reject-with tcp-reset", [{ kind: "reject", with: "tcp-reset" }]],
    ["NFQUEUE", "--queue-num 5", [{ kind: "queue", queue: "5" }]],
    ["DNAT", "--to-destination 192.0.2.2:80", [{ kind: "dnat", to: "192.0.2.2:80" }]],
    ["MASQUERADE", "", [{ kind: "masquerade", to: null }]],
    ["REDIRECT", "--to-ports 1080", [{ kind: "redirect", to: "1080" }]],
    ["TRACE", "", [{ kind: "trace" }]],
    ["CT", "--notrack", [{ kind: "notrack" }]],
    ["CT", "--zone 1", [{ kind: "pass", name: "CT", text: "--zone 1" }]],
    ["MARK", "--set-xmark 0x1/0xffffffff", [{ kind: "mark", text: "--set-xmark 0x1/0xffffffff" }]],
    ["LOG", '--log-prefix "IN: "', [{ kind: "log", prefix: "IN: ", text: '--log-prefix "IN: "' }]],
    ["TCPMSS", "--clamp-mss-to-pmtu", [{ kind: "pass", name: "TCPMSS", text: "--clamp-mss-to-pmtu" }]],
    ["TPROXY", "--on-port 1", [{ kind: "opaque", name: "TPROXY", text: "--on-port 1" }]],
    ["FROBNICATE", "--hard", [{ kind: "opaque", name: "FROBNICATE", text: "--hard" }]],
  ])("%s %s", (name, options, expected) => {
    expect(statements(name, options)).toEqual(expected);
    expect(targetOptionText(name, statements(name, options))).toBe(options);
  });

  it("keeps options it has no field for in a second statement", () => {
    const made = statements("DNAT", "--to-destination 192.0.2.2 --random --persistent");
    expect(made[1]).toEqual({ kind: "pass", name: "DNAT options", text: "--random --persistent" });
    expect(targetOptionText("DNAT", made)).toBe("--to-destination 192.0.2.2 --random --persistent");
  });
});
