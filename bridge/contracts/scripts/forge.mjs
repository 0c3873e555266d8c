// Runs forge in this project.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the contracts. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs forge in a profile of foundry.toml, and ends this program with what forge printed if it fails. */
export function forge(profile, command, ...options) {
  const program = join(root, "node_modules/.bin/forge");
  const run = spawnSync(program, [command, "--root", root, ...options], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
    env: { ...process.env, FOUNDRY_PROFILE: profile },
    maxBuffer: 1 << 28,
  });
  if (run.status !== 0) {
    process.stderr.write(run.stdout ?? "");
    console.error(run.error ?? `forge ${command} failed with status ${run.status}`);
    process.exit(1);
  }
}
