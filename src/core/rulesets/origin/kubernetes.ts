/** What runs on a Kubernetes node: kube-proxy, kubelet, and the network plugins that write rules. */
import type { Manager, RulePlace, Told } from "./origin.ts";
import { dnatTo, does, valueFor } from "./rule-parts.ts";

/** `default/nginx:http cluster IP`, `default/nginx:http -> 10.244.1.5:80`, `default/nginx has no endpoints` */
const SERVICE = /^"?([a-z\d][a-z\d.-]*\/[a-z\d][a-z\d.-]*(?::[\w-]*)?)(?=$|["\s])/;

const kubeProxy: Manager = {
  name: "kube-proxy",
  tables: /^kube-proxy$/,
  chains:
    /^KUBE-(SERVICES|NODEPORTS|EXTERNAL-SERVICES|POSTROUTING|MARK-MASQ|MARK-DROP|FORWARD|FIREWALL|PROXY-(FIREWALL|CANARY)|KUBELET-CANARY|IPTABLES-HINT|(SVC|SEP|FW|XLB|SVL|EXT)-[A-Z\d]{16}|NODE-PORT|LOAD-BALANCER|CLUSTER-IP)$/,
  comment:
    /^kubernetes (service|externally|forwarding|postrouting|firewall|health|load balancer|nodeport|cluster|pod)/,
  tell: (place) => {
    const { rule, chain } = place;
    const name = serviceOf(place);
    const to = dnatTo(rule);
    if (/has no endpoints/.test(rule?.comment ?? "") || (name !== null && does(rule, "reject")))
      return told(
        `service ${name ?? "?"} has no endpoint that is ready`,
        name,
        describeService(name, "endpoints"),
      );
    if (to !== null)
      return told(`service ${name ?? "?"}, endpoint ${to}`, name, describeService(name, "endpoints"));
    if (name !== null) return told(`service ${name}`, name, describeService(name, "service"));
    if (/MARK-DROP|FIREWALL/.test(chain))
      return told(
        "drops what is marked to be dropped",
        null,
        "kubectl get services -A; see loadBalancerSourceRanges",
      );
    return told("a rule for services in general", null, "kubectl -n kube-system logs -l k8s-app=kube-proxy");
  },
};

function serviceOf({ rule, chain }: RulePlace): string | null {
  const named = SERVICE.exec(rule?.comment ?? "")?.[1];
  // kube-proxy's nft chains: `service-ULMVA6XW-ns2/svc2/tcp/p80`
  const inChain = /^(?:service|endpoint|external|firewall)-[A-Z\d]{8}-([^/]+\/[^/]+)\/(\w+)\/([^_]*)/.exec(
    chain,
  );
  if (named !== undefined) return named.replace(/:$/, "");
  return inChain === null ? null : `${inChain[1]}${inChain[3] === "" ? "" : `:${inChain[3]}`}`;
}

function describeService(name: string | null, kind: "service" | "endpoints"): string {
  const [namespace, rest] = name?.split("/") ?? [];
  const service = rest?.replace(/:.*$/, "");
  if (namespace === undefined || service === undefined) return "kubectl get services,endpoints -A";
  return `kubectl -n ${namespace} get ${kind === "endpoints" ? "service,endpoints" : "service"} ${service}`;
}

const kubeRouter: Manager = {
  name: "kube-router",
  chains:
    /^KUBE-(ROUTER-(INPUT|FORWARD|OUTPUT|SERVICES)|NWPLCY-[A-Z\d]{16}|POD-FW-[A-Z\d]{16}|NWPLCY-(DEFAULT|COMMON))$/,
  tell: ({ rule }) => {
    const policy = /(?:policy|netpol)[^\w]*(?:name:?\s*)?([\w.-]+)/i.exec(rule?.comment ?? "")?.[1] ?? null;
    return told(
      policy === null ? "a network policy" : `network policy ${policy}`,
      policy,
      "kubectl get networkpolicies -A",
    );
  },
};

const calico: Manager = {
  name: "Calico",
  tables: /^calico$/,
  chains: /^cali(-|:)\S+$/,
  comment: /^cali:[\w-]{16}/,
  tell: ({ rule, chain }) => {
    const workload = /^cali-(tw|fw)-(\S+)/.exec(chain);
    const profile = /^cali-(pri|pro)-kns\.(\S+)/.exec(chain);
    const policy = /^cali-(pi|po)-/.test(chain);
    const named = /(?:^|; )Policy (\S+) (?:ingress|egress)\b/.exec(rule?.comment ?? "")?.[1] ?? null;
    if (workload !== null)
      return told(
        `${workload[1] === "tw" ? "what may reach" : "what may leave"} workload ${workload[2]}`,
        workload[2] ?? null,
        "calicoctl get workloadendpoints -A -o wide; kubectl get networkpolicies -A",
      );
    if (profile !== null)
      return told(
        `namespace ${profile[2]}`,
        profile[2] ?? null,
        `kubectl get networkpolicies -n ${profile[2]}`,
      );
    if (policy || named !== null)
      return told(
        named === null ? "a network policy" : `network policy ${named}`,
        named,
        "kubectl get networkpolicies -A; calicoctl get globalnetworkpolicies",
      );
    return told(
      "a rule for all workloads or host endpoints",
      null,
      "calicoctl get hostendpoints,globalnetworkpolicies",
    );
  },
};

const cilium: Manager = {
  name: "Cilium",
  chains: /^(OLD_)?CILIUM_(INPUT|OUTPUT|FORWARD|PRE|POST|TRANSIENT)\w*$/,
  comment: /^cilium[: ]/,
  tell: ({ rule }) =>
    told(
      rule?.comment?.replace(/^cilium: */, "") ?? "a rule of its agent",
      null,
      "cilium status; cilium monitor --type drop",
    ),
};

const flannel: Manager = {
  name: "flannel",
  chains: /^FLANNEL-(FWD|POSTRTG)$/,
  comment: /^flanneld (masq|forward)/,
  tell: ({ rule }) =>
    told(
      does(rule, "masquerade") ? "masquerades what pods send elsewhere" : "lets pods' packets through",
      valueFor(rule, "source"),
      "cat /run/flannel/subnet.env; kubectl -n kube-flannel get configmap kube-flannel-cfg -o yaml",
    ),
};

const antrea: Manager = {
  name: "Antrea",
  tables: /^antrea$/,
  chains: /^ANTREA-\S+$/,
  comment: /^Antrea: /,
  tell: ({ rule }) =>
    told(rule?.comment?.replace(/^Antrea: */, "") ?? "a rule of its agent", null, "antctl get networkpolicy"),
};

const istio: Manager = {
  name: "Istio",
  tables: /^istio-proxy-\w+$/,
  chains: /^ISTIO_(INBOUND|OUTPUT|REDIRECT|IN_REDIRECT|PRERT|DIVERT|TPROXY|OUTPUT_DNS|POSTRT|HEALTHPROBE)$/,
  tell: ({ rule, chain }) => {
    const port = rule?.statements.find((one) => one.kind === "redirect");
    const to = port?.kind === "redirect" && port.to !== null ? ` to Envoy's port ${port.to}` : " to Envoy";
    return told(
      /REDIRECT$/.test(chain) ? `sends the pod's traffic${to}` : "chooses what goes through the sidecar",
      null,
      "istioctl proxy-config; annotations traffic.sidecar.istio.io/exclude…Ports of the pod",
    );
  },
};

function told(what: string, object: string | null, change: string): Told {
  return { what, object, change };
}

export const KUBERNETES: readonly Manager[] = [kubeProxy, kubeRouter, calico, cilium, flannel, antrea, istio];
