/** Commands that mend, as they must be typed for the namespace in question. */
import { word } from "../../core/diagnosis/commands.ts";

/** The command, run inside a namespace; unchanged for our own. */
export function within(netns: string | null, command: string): string {
  if (netns === null) return command;
  const pid = /^pid:(\d+)$/.exec(netns);
  if (pid !== null) return `nsenter --net=/proc/${pid[1]}/ns/net -- ${command}`;
  if (netns.includes("/")) return `nsenter --net=${word(netns)} -- ${command}`;
  return `ip netns exec ${word(netns)} ${command}`;
}

export function installCommand(debianPackage: string): string {
  return `apt-get install ${debianPackage}`;
}
