#!/usr/bin/env node
// @ts-check
// `npm start`: the article's experiment on this machine, in network namespaces of our own, traced live and
// explained. Where that cannot run, the recording of the same experiment that ships with the project is explained.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { say } from "./setup/say.js";
import { projectRoot, setUp } from "./setup.js";

const LIVE = ["lab", "docker-udp", "run"];
const RECORDED = ["explain", "examples/docker-udp/trace.log", "examples/docker-udp/iptables-save.txt"];

/** nfpath's exit status for: not permitted, or the kernel lacks what is needed. */
const REFUSED = 3;

process.exitCode = (await setUp()) ? await start() : 1;

async function start() {
  const command = await chosenCommand();
  const status = await nfpath(command);
  if (command === RECORDED || status !== REFUSED) return status;
  // Some machines show what they refuse only when the lab is built; why has been said.
  say("so this is the recorded run of the same experiment");
  return nfpath(RECORDED);
}

async function chosenCommand() {
  // Only known once set-up has built it.
  const requirements = pathToFileURL(join(projectRoot, "dist", "lab", "requirements.js")).href;
  /** @type {typeof import("../src/lab/requirements.ts")} */
  const { whatTheLabLacks } = await import(requirements);
  const lack = await whatTheLabLacks("legacy");
  if (lack === null) return LIVE;
  // Kernels and distributions are leaving the legacy tables behind; the experiment is the same without.
  if ((await whatTheLabLacks("nft")) === null) {
    say(`${lack.message}, so this is the experiment with the nft variant of iptables`);
    return [...LIVE, "--backend", "nft"];
  }
  say(`${lack.message}, so this is the recorded run of the same experiment; to see it live, ${lack.hint}`);
  return RECORDED;
}

/**
 * Runs the built program in the foreground.
 * @param {readonly string[]} args
 * @returns {Promise<number>} its exit status
 */
function nfpath(args) {
  // Ctrl-C reaches the program too, which cleans up behind itself; ending before it would hide that.
  process.on("SIGINT", () => {});
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join("dist", "cli", "main.js"), ...args], {
      cwd: projectRoot,
      stdio: "inherit",
    });
    process.on("SIGTERM", () => child.kill("SIGTERM"));
    child.once("error", reject);
    child.once("exit", (status) => resolve(status ?? 1));
  });
}
