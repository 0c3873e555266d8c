// Runs forge in this project: `node scripts/forge.mjs PROFILE COMMAND OPTION...`, with a profile of foundry.toml.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the contracts. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const arch = { x64: "amd64" }[process.arch] ?? process.arch;
/** The program itself: the launcher in node_modules/.bin exits with 0 whatever forge says. */
export const program = createRequire(import.meta.url).resolve(`@foundry-rs/forge-${process.platform}-${arch}/bin/forge`);

function run(profile, options, output) {
  const env = { ...process.env, FOUNDRY_PROFILE: profile };
  return spawnSync(program, options, { cwd: root, env, encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", output, "inherit"] });
}

/** Runs forge quietly, and ends this program with what forge printed if it fails. */
export function forge(profile, ...options) {
  const { status, stdout, error } = run(profile, options, "pipe");
  if (status !== 0) {
    process.stderr.write(stdout ?? "");
    console.error(error ?? `forge ${options[0]} failed with status ${status}`);
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [profile, ...options] = process.argv.slice(2);
  const { status, error } = run(profile, options, "inherit");
  if (error) console.error(error);
  process.exit(status ?? 1);
}
