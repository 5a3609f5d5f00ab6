/** A fault that the doctor can be shown only where the kernel has flowtables: it is named, mended by its mend, and well again. */
import { expect, it } from "vitest";
import { nfpath } from "../support/cli.ts";
import { addNetns, deleteNetns, shell } from "../support/namespaces.ts";

const NETNS = "offload";

async function ask(): Promise<{ readonly status: number | null; readonly check: (id: string) => unknown }> {
  const { status, stdout } = await nfpath([
    ...["doctor", "--netns", NETNS, "--canary", "here", "--format", "json"],
  ]);
  const { namespaces, canaries } = JSON.parse(stdout);
  const checks = [...namespaces, ...canaries].flatMap((report) => report.checks);
  return { status, check: (id) => checks.find((check) => check.id === id) };
}

it("connections that a flowtable takes past the chains", async () => {
  await addNetns(NETNS);
  try {
    await shell(
      `ip link add d0 type veth peer name d1; ip link set d0 up
       nft 'table inet fw { flowtable fast { hook ingress priority 0; devices = { d0 }; }; chain way { type filter hook forward priority 0; meta l4proto tcp flow add @fast; }; }'`,
      NETNS,
    );
    const named = (await ask()).check("flowtables");
    expect(named).toMatchObject({
      status: "warning",
      what: expect.stringContaining("inet fw way takes connections past the chains"),
    });
    for (const command of (named as { readonly mend: readonly string[] }).mend) await shell(command);
    const after = await ask();
    expect(after.check("flowtables")).toMatchObject({ status: "ok" });
    expect(after.check("canary-nft")).toMatchObject({ status: "ok" });
  } finally {
    await deleteNetns(NETNS);
  }
});
