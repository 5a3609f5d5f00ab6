/** What does not work with nft works with rules in raw where legacy iptables is there: then it is no failure. */
import type { HostFacts } from "../../linux/host-facts.ts";
import { type CheckResult, failed, type Mend, warning } from "./check.ts";

export function unlessByRules(host: HostFacts, what: string, cause: string, how: Mend): CheckResult {
  const canMark = host.programs["iptables-legacy"] !== null && host.kernel.xtTrace !== false;
  return canMark
    ? warning(what, `${cause}; instead, rules at the end of legacy iptables' raw table mark packets`, how)
    : failed(what, cause, how);
}
