/**
 * Holds a live trace until it is killed: `node hold-trace.js NETNS`. Prints `armed` and the run's id once it stands.
 * A process of its own, so that a test can take it away with SIGKILL.
 */
const { startTrace } = await import(new URL("../../dist/tracing/trace.js", import.meta.url).href);

const trace = await startTrace({
  selectors: { prerouting: [""], output: [""] },
  netns: [process.argv[2]],
  deadlineSeconds: 60,
  ratePerSecond: 1000,
  onEvents: () => {},
});
console.log(trace.ok ? `armed ${trace.value.plan.runId}` : trace.error.message);
setInterval(() => {}, 1000);
