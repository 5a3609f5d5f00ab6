/** Whose rules are in force, and which of them decide before nfpath has marked a packet. */
import { word } from "../../core/diagnosis/commands.ts";
import { XTABLES_HOOKS } from "../../core/netfilter/hook.ts";
import { SELECTOR_PRIORITY } from "../../core/plans/own-chains.ts";
import type { Chain, Table } from "../../core/rulesets/ruleset.ts";
import { fine, mend, type NetnsCheck, type NetnsSituation, unknown, warning } from "./check.ts";
import { within } from "./commands.ts";
import {
  firstTaker,
  flowtables,
  legacyInUse,
  type Rules,
  rulesWords,
  type Taker,
  tablesInForce,
  whyNoLegacy,
  whyNoNft,
} from "./rule-facts.ts";

export const whichIptables: NetnsCheck = {
  id: "which-iptables",
  title: "iptables",
  judge: (situation) => {
    const { iptables } = situation.host.programs;
    if (iptables === null) return fine("not installed: rules are nft's, or another program's");
    if (iptables.said === null) return unknown(`${iptables.path} does not tell its version`);
    const isNft = iptables.said.includes("nf_tables");
    const name = `${iptables.path} is ${iptables.said}`;
    const why = whyNoLegacy(situation);
    if (why !== null) return unknown(`${name}; whether its rules are those in force: ${why}`);
    const legacy = tablesInForce(situation.rules).filter(({ program }) => program !== "nft");
    if (isNft && legacy.length > 0) {
      return warning(
        `${name}, and rules of the legacy kind are in force: ${legacy.map(rulesWords).join(", ")}`,
        "iptables -L does not show these rules, and iptables -D cannot delete them",
        mend("update-alternatives --set iptables /usr/sbin/iptables-legacy", SEE_BOTH),
      );
    }
    const written = isNft ? [] : tablesInForce(situation.rules).filter(isOfIptablesNft);
    if (written.length > 0) {
      return warning(
        `${name}, and iptables' tables are in force as nft rules: ${written.map(rulesWords).join(", ")}`,
        "iptables -L does not show these rules, and iptables -D cannot delete them",
        mend("update-alternatives --set iptables /usr/sbin/iptables-nft", SEE_BOTH),
      );
    }
    return fine(name);
  },
};

const SEE_BOTH =
  "only if the rules that iptables shows now are not the ones you keep; to see both: iptables-legacy-save; iptables-nft-save";

function isOfIptablesNft({ program, table }: Rules): boolean {
  const isIp = table.family === "ip" || table.family === "ip6";
  return program === "nft" && isIp && Object.hasOwn(XTABLES_HOOKS, table.name);
}

export const bothBackends: NetnsCheck = {
  id: "both-backends",
  title: "rules in force",
  judge: (situation) => {
    const why = whyNoNft(situation) ?? whyNoLegacy(situation);
    if (why !== null) return unknown(why);
    const tables = tablesInForce(situation.rules);
    const legacy = tables.filter(({ program }) => program !== "nft");
    const nft = tables.filter(({ program }) => program === "nft");
    if (legacy.length === 0 || nft.length === 0) return fine(inForceWords(legacy, nft));
    return warning(
      `of both kinds: legacy ${legacy.map(rulesWords).join(", ")}; nft ${nft.map(rulesWords).join(", ")}`,
      "each packet passes both, and either can drop what the other accepts; each tool shows its own alone",
      mend(
        [
          ...new Set(legacy.map(({ program }) => within(situation.netns.netns, `${program}-save -c`))),
          ...legacy.flatMap((rules) => emptyingCommands(situation.netns.netns, rules)),
        ],
        "nfpath shows both in their order. The first command lists the legacy rules; the others delete them, and with them what they keep out: only when the nft rules do their work",
      ),
    );
  },
};

function emptyingCommands(netns: string | null, { program, table }: Rules): string[] {
  const dropping = table.chains.filter((chain) => chain.base?.policy === "drop");
  return [
    ...dropping.map((chain) =>
      within(netns, `${program} -t ${word(table.name)} -P ${word(chain.name)} ACCEPT`),
    ),
    within(netns, `${program} -t ${word(table.name)} -F`),
  ];
}

function inForceWords(legacy: readonly Rules[], nft: readonly Rules[]): string {
  if (legacy.length > 0) return `legacy iptables alone: ${legacy.map(rulesWords).join(", ")}`;
  return nft.length > 0 ? `nft alone: ${nft.map(rulesWords).join(", ")}` : "none";
}

export const rawTable: NetnsCheck = {
  id: "raw-table",
  title: "raw table",
  judge: (situation) => {
    const why = whyNoLegacy(situation);
    if (why !== null) return unknown(why);
    if (!legacyInUse(situation)) return fine("not needed: no legacy table is in use");
    const { ip, ip6 } = situation.netns.legacyTables;
    const lacking = [
      ...((ip?.length ?? 0) > 0 && !ip?.includes("raw") ? ["iptables-legacy"] : []),
      ...((ip6?.length ?? 0) > 0 && !ip6?.includes("raw") ? ["ip6tables-legacy"] : []),
    ];
    if (lacking.length === 0) return fine("there: the first legacy step shows a packet as it came");
    return warning(
      `${lacking.join(" and ")} has other tables, but no raw`,
      "without raw and mangle, the first legacy step of a translated connection's later packets shows the translated address; nfpath's own first step has the one it came with",
      mend(lacking.map((program) => within(situation.netns.netns, `${program} -t raw -L -n`))),
    );
  },
};

export const earlyChains: NetnsCheck = {
  id: "early-chains",
  title: "chains before ours",
  judge: (situation) => {
    const why = whyNoNft(situation);
    if (why !== null) return unknown(why);
    for (const { table, chain } of chainsBefore(situation)) {
      const taker = firstTaker(table, chain);
      if (taker !== null) return describeTaker(situation, table, chain, taker);
    }
    return fine(`nothing takes packets before priority ${SELECTOR_PRIORITY}, where nfpath marks them`);
  },
};

/**
 * Commands that take away what can drop a packet of this host before it is marked: the first such rule of each chain at
 * output that runs before ours, or the chain's policy.
 */
export function freeingCommands(situation: NetnsSituation): readonly string[] {
  const { netns } = situation.netns;
  return chainsBefore(situation).flatMap(({ table, chain: base }) => {
    const taker = base.base?.hook === "output" ? firstTaker(table, base) : null;
    if (taker === null) return [];
    const target = [table.family, word(table.name), word(taker.chain.name)].join(" ");
    if (taker.rule === null) return [within(netns, `nft chain ${target} '{ policy accept; }'`)];
    const { handle } = taker.rule;
    return handle === null ? [] : [within(netns, `nft delete rule ${target} handle ${handle}`)];
  });
}

interface Placed {
  readonly table: Table;
  readonly chain: Chain;
}

/**
 * Base chains that see a packet before our selector. At equal priority the chain that was registered first runs first, so
 * those of our own priority count.
 */
function chainsBefore({ rules }: NetnsSituation): readonly Placed[] {
  const found: Placed[] = [];
  for (const ruleset of rules.rulesets.filter(({ format }) => format === "nft-json")) {
    for (const table of ruleset.tables) {
      for (const chain of table.chains) {
        if (chain.base !== null && isBefore(table, chain.base)) found.push({ table, chain });
      }
    }
  }
  return found;
}

function isBefore(table: Table, base: NonNullable<Chain["base"]>): boolean {
  if (base.hook === "ingress") return true;
  if (table.family === "arp" || table.family === "netdev") return false;
  // A frame of a bridge passes the bridge's hook before the IP hook inside it.
  if (table.family === "bridge") return base.hook === "prerouting";
  return (base.hook === "prerouting" || base.hook === "output") && base.priority <= SELECTOR_PRIORITY;
}

function describeTaker({ netns }: NetnsSituation, table: Table, base: Chain, { chain, rule }: Taker) {
  const hook = base.base?.hook ?? "prerouting";
  const name = `${table.family} ${table.name} ${base.name}`;
  const by =
    rule === null
      ? "its policy is drop"
      : `${chain === base ? "" : `by way of ${chain.name}, `}rule ${rule.number ?? "?"} is: ${rule.short}`;
  const target = [table.family, word(table.name), word(base.name)].join(" ");
  return warning(
    `${name} at ${hook} priority ${base.base?.priority} runs before ours (${SELECTOR_PRIORITY}); ${by}`,
    "what it takes is gone before nfpath can mark it: such packets never appear in a trace",
    mend(
      within(netns.netns, `nft insert rule ${target} meta nftrace set 1`),
      `it makes this chain mark packets itself, all of them: put the words of yours before meta (udp dport 53, say), and delete the rule afterwards (nft -a list chain ${target} shows its handle)`,
    ),
  );
}

export const flowtableCheck: NetnsCheck = {
  id: "flowtables",
  title: "flowtables",
  judge: (situation) => {
    const why = whyNoNft(situation);
    if (why !== null) return unknown(why);
    const users = offloadingRules(situation);
    if (users.length > 0) {
      const [first] = users;
      return warning(
        `${first?.table.family} ${first?.table.name} ${first?.chain} takes connections past the chains: ${first?.text}`,
        "packets of an offloaded connection skip every hook, ours too: a trace shows its first packets only",
        mend(
          users.map(({ table, chain, handle }) =>
            within(
              situation.netns.netns,
              `nft delete rule ${table.family} ${word(table.name)} ${word(chain)} handle ${handle ?? "?"}`,
            ),
          ),
          "forwarding gets slower; add the rule again after the trace. Connections that are already offloaded stay so until they are idle",
        ),
      );
    }
    const declared = situation.rules.rulesets.flatMap(({ tables }) => tables.flatMap(flowtables));
    if (declared.length > 0) return fine(`${declared.join(", ")}, but no rule uses it`);
    return fine("none: no connection skips the chains");
  },
};

interface OffloadingRule {
  readonly table: Table;
  readonly chain: string;
  readonly handle: bigint | null;
  readonly text: string;
}

function offloadingRules({ rules }: NetnsSituation): readonly OffloadingRule[] {
  const found: OffloadingRule[] = [];
  for (const { tables } of rules.rulesets) {
    for (const table of tables) {
      for (const { name, rules: list } of table.chains) {
        for (const rule of list) {
          const offloads = rule.statements.some(
            (statement) => statement.kind === "pass" && statement.name === "flow",
          );
          if (offloads) found.push({ table, chain: name, handle: rule.handle, text: rule.short });
        }
      }
    }
  }
  return found;
}

export const bridgeCalls: NetnsCheck = {
  id: "bridge-nf-call",
  title: "bridges",
  judge: ({ netns }) => {
    const { bridges, bridgeCalls: calls } = netns;
    if (bridges === null) return unknown("the bridges cannot be listed: ip (iproute2) does not answer");
    if (bridges.length === 0) return fine("none here");
    const names = bridges.map(({ name }) => name).join(", ");
    const silent = (["ip", "ip6"] as const).filter(
      (family) => calls[family] !== true && bridges.some((bridge) => !bridge.calls[family]),
    );
    if (silent.length === 0) return fine(`frames that ${names} forwards pass the chains of iptables too`);
    const settings = silent.map((family) => `net.bridge.bridge-nf-call-${family}tables`);
    const isLoaded = calls.ip !== null;
    return warning(
      isLoaded
        ? `${settings.join(" and ")} ${silent.length === 1 ? "is" : "are"} 0, and there is a bridge: ${names}`
        : `br_netfilter is not loaded, and there is a bridge: ${names}`,
      "frames between two ports of a bridge pass no chain of iptables, and nfpath does not see them; what is routed is seen",
      mend(
        [
          ...(isLoaded ? [] : ["modprobe br_netfilter"]),
          ...settings.map((setting) => within(netns.netns, `sysctl -w ${setting}=1`)),
        ],
        "it sends bridged frames through your IP rules, which may drop them: only for the time of the trace",
      ),
    );
  },
};
