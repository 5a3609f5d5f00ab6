/** A host from the outputs of its tools, as a person would paste them. */
import { HostTextReader } from "../../src/core/hosts/decode/host-text-reader.ts";
import type { HostSnapshot } from "../../src/core/hosts/host.ts";

export function listedHost(text: string): HostSnapshot {
  const reader = new HostTextReader();
  for (const line of text.split("\n")) reader.read(line);
  const host = reader.end();
  if (host === null) throw new Error("nothing in it tells about a host");
  return host;
}
