import { expect, it } from "vitest";

import { dockerRules } from "../../src/lab/docker-rules.ts";

const text = dockerRules({
  address: "172.18.0.2",
  bridge: "docker0",
  network: "172.18.0.0/16",
  ports: [10300, 10399],
});

/** Rules of a chain, in order. */
function chain(table: string, name: string): readonly string[] {
  const start = text.indexOf(`*${table}\n`);
  const lines = text.slice(start, text.indexOf("COMMIT", start)).split("\n");
  return lines.filter((line) => line.startsWith(`-A ${name} `));
}

it("numbers the rules of port 10370 as the article's log has them", () => {
  expect(chain("nat", "DOCKER")[31 - 1]).toBe(
    "-A DOCKER ! -i docker0 -p udp -m udp --dport 10370 -j DNAT --to-destination 172.18.0.2:10370",
  );
  expect(chain("filter", "DOCKER")[30 - 1]).toBe(
    "-A DOCKER -d 172.18.0.2/32 ! -i docker0 -o docker0 -p udp -m udp --dport 10370 -j ACCEPT",
  );
});

it("has as many rules as the article's listing, in each chain", () => {
  expect(chain("nat", "PREROUTING")).toHaveLength(1);
  expect(chain("nat", "POSTROUTING")).toHaveLength(101);
  expect(chain("nat", "DOCKER")).toHaveLength(101);
  expect(chain("filter", "FORWARD")).toHaveLength(5);
  expect(chain("filter", "DOCKER")).toHaveLength(100);
  expect(chain("filter", "DOCKER-ISOLATION")).toEqual(["-A DOCKER-ISOLATION -j RETURN"]);
});

it("names all five tables, so that the kernel has them and traces them", () => {
  expect(text.match(/^\*.*/gm)).toEqual(["*raw", "*mangle", "*nat", "*filter", "*security"]);
});
