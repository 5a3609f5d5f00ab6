// @ts-check
// What runs in a test machine, and what does not, with the reason. Emulation is ten times slower than this machine, and the
// question there is another kernel, not everything about nfpath: where a file goes through the same mechanism many times,
// one time for each is chosen.

/** Always, and first: it sees the machine as it came up, and leaves the log module loaded that the others find on a host. */
export const ARTICLE = "test/kernels/article.guest.ts";

export const TESTS = [
  "test/kernels",
  "test/live/beside-the-trace.live.test.ts",
  "test/live/docker-udp-trace.live.test.ts",
  "test/live/doctor.live.test.ts",
  "test/live/hooks.live.test.ts",
  "test/live/raw-rules.live.test.ts",
  "test/live/routed-again.live.test.ts",
  "test/live/sources.live.test.ts",
  "test/live/trace-command.live.test.ts",
  "test/live/trace-script.live.test.ts",
  "test/live/tracing.live.test.ts",
  "test/live/vrf.live.test.ts",
  "test/live/ways-to-die.live.test.ts",
];

/** @type {Readonly<Record<string, string>>} */
export const LEFT_OUT = {
  "test/live/bench-smoke.live.test.ts":
    "the bench measures, and a machine whose clock counts instructions has no speed",
  "test/live/filters.live.test.ts":
    "the judges are tcpdump and nft, which are this machine's programs there too",
  "test/live/ipsets.live.test.ts":
    "hundreds of packets with a process and a listing for each: emulation would take long; --tests runs it",
  "test/live/multicast.live.test.ts":
    "hundreds of packets with a process and a listing for each: emulation would take long; --tests runs it",
  "test/live/flows.live.test.ts": "it groups what tracing.live.test.ts has traced there",
  "test/live/linking.live.test.ts":
    "tens of thousands of events from senders that race: emulation would race with itself",
  "test/live/linking-situations.live.test.ts": "not tried on other kernels yet; --tests runs it",
  "test/live/why-not.live.test.ts":
    "conditions are the rules' words, and a hundred of them in one chain: emulation would take long",
  "test/live/lab.live.test.ts": "the lab runs on both backends in test/kernels/lab.guest.ts",
  "test/live/privileges.live.test.ts": "not tried on other kernels yet; --tests runs it",
  "test/live/random-kills.live.test.ts":
    "what is random there is the moment; ways-to-die has each undo at a moment of its own",
  "test/live/routing.live.test.ts":
    "hundreds of packets whose way is computed: emulation would take longer than with all others together",
  "test/live/scenario-recordings.live.test.ts":
    "as the scenarios themselves, and the printed script runs in test/live/trace-script.live.test.ts",
  "test/live/scenarios.live.test.ts":
    "a lab for each of dozens of scenarios: emulation would take longer than with all others together; --tests runs it",
  "test/live/selectors.live.test.ts":
    "hundreds of filters and packets, which would take emulation an hour; --tests runs it",
  "test/live/snapshot.live.test.ts": "not tried on other kernels yet; --tests runs it",
  "test/live/rulesets.live.test.ts":
    "iptables and nft print the rules, and they are this machine's programs there too",
};

/**
 * Of these files some tests only. A suite is named as the file has it, a test by the end of its name.
 * @typedef {object} Choice
 * @property {readonly string[]} suites
 * @property {readonly RegExp[]} tests
 * @property {string} why the others are left out
 */

/** @type {Readonly<Record<string, Choice>>} */
export const CHOICES = {
  "test/live/trace-command.live.test.ts": {
    suites: ["nfpath trace"],
    tests: [
      /traces while a command runs/,
      /what the filter does not name/,
      /a packet that arrives is seen/,
      /a packet that another address/,
      /a rate limit that was reached/,
      /SIGTERM ends it cleanly/,
    ],
    why: "words and signals, which no kernel changes",
  },
  "test/live/ways-to-die.live.test.ts": {
    suites: ["a trace by", "rules in raw", "two runs", "the comparison"],
    tests: [
      /by nft that ends by SIGINT tracing/,
      /by SIGKILL (half-way|tracing) is undone by its guardian/,
      /by SIGKILL of its guardian tracing/,
      /by SIGKILL of both tracing is undone/,
      /by nft that ends by a reader that goes away tracing/,
      /by nft that ends because the disk is full half-way/,
      /because the filter is refused half-way/,
      /by nft that ends because its namespace is deleted tracing/,
      /by nft that ends because another reads NFLOG group 0/,
      /leave an empty raw table/,
      /of which the first was killed with its guardian/,
    ],
    why: "the same undo after other signals and at other stages",
  },
  "test/live/trace-script.live.test.ts": {
    suites: ["the printed script"],
    tests: [
      /by dash collects (with all tools, legacy|with nothing but|from the kernel log)/,
      /by dash takes everything back on SIGKILL/,
      /collects by iptables-nft and xtables-monitor/,
      /takes its nft table and the loggers back on SIGKILL/,
    ],
    why: "the same script in another shell, and after other signals",
  },
};

/** Matches the full names of all tests that run, as vitest matches `testNamePattern`: suites and test joined by spaces. */
export function namePattern(choices = Object.values(CHOICES)) {
  const others = `^(?!${choices.flatMap(({ suites }) => suites).join("|")})`;
  return new RegExp([others, ...choices.flatMap(({ tests }) => tests.map((test) => test.source))].join("|"));
}
