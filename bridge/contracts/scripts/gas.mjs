// Measures the gas of transactions and fails if one uses over 2 % more than gas.json says; with --write it writes gas.json.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { forge, root } from "./forge.mjs";

/** Compilers and libraries change gas a little; more than this is a change of ours. */
const TOLERANCE = 0.02;

const committed = join(root, "gas.json");
const measured = join(root, "cache/snapshots/gas.json");

rmSync(measured, { force: true });
// Isolated calls are transactions: they pay for calldata, and find nothing warm.
forge("tests", "test", "--isolate", "--match-contract", "GasTest");
const now = Object.fromEntries(
  Object.entries(JSON.parse(readFileSync(measured, "utf8"))).map(([name, gas]) => [name, Number(gas)]),
);
if (process.argv.includes("--write")) {
  writeFileSync(committed, JSON.stringify(now, null, 1) + "\n");
  process.exit(0);
}

const before = JSON.parse(readFileSync(committed, "utf8"));
let failed = false;
for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
  const [old, gas] = [before[name], now[name]];
  const line = `${name}: ${old ?? "unknown"} -> ${gas ?? "not measured"}`;
  if (old === undefined || gas === undefined || gas > old * (1 + TOLERANCE)) {
    console.error(`${line}: run \`npm run gas -- --write\` if that is meant`);
    failed = true;
  } else if (gas !== old) {
    console.log(line);
  }
}
process.exit(failed ? 1 : 0);
