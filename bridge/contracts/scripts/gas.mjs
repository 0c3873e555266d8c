// Measures the gas of transactions and fails if one uses over 2 % more than gas.json says; with --write it writes gas.json.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { forge, root } from "./forge.mjs";

/** Compilers and libraries change gas a little; more than this is a change of ours. */
const TOLERANCE = 0.02;

// What a transaction pays before it does anything, and for a byte of calldata: zero, and any other.
const TRANSACTION = 21_000;
const ZERO_BYTE = 4;
const OTHER_BYTE = 16;
/**
 * A transaction pays at least so much for its calldata. EIP-7623 is in force; EIP-7976 is to replace it, and prices all bytes
 * alike. The greater of both sums is what a transaction pays, so a floor that binds hides what is executed.
 */
const FLOORS = { "EIP-7623": { zero: 10, other: 40 }, "EIP-7976": { zero: 64, other: 64 } };

const committed = join(root, "gas.json");

function snapshots(group) {
  const text = readFileSync(join(root, `cache/snapshots/${group}.json`), "utf8");
  return Object.fromEntries(Object.entries(JSON.parse(text)).map(([name, value]) => [name, Number(value)]));
}

/** What calldata adds to the transactions whose calldata was recorded: what they execute beyond it, and the floors. */
function calldataRows(gas, calldata) {
  const rows = {};
  for (const name of Object.keys(gas)) {
    const [zeros, others] = [calldata[`${name}: zeros`], calldata[`${name}: others`]];
    if (zeros === undefined) continue;
    const cost = ({ zero, other }) => TRANSACTION + zero * zeros + other * others;
    rows[`${name}: bytes of calldata`] = zeros + others;
    rows[`${name}: execution`] = gas[name] - cost({ zero: ZERO_BYTE, other: OTHER_BYTE });
    for (const [eip, prices] of Object.entries(FLOORS)) {
      rows[`${name}: floor of ${eip}`] = cost(prices);
      const what = cost(prices) >= gas[name] ? "the floor binds" : "execution binds";
      console.log(`${name}: ${gas[name]} gas, floor of ${eip} ${cost(prices)}: ${what}`);
    }
  }
  return rows;
}

rmSync(join(root, "cache/snapshots"), { recursive: true, force: true });
// Isolated calls are transactions: they pay for calldata, and find nothing warm.
forge("tests", "test", "--isolate", "--match-contract", "GasTest");
const gas = snapshots("gas");
const all = { ...gas, ...calldataRows(gas, snapshots("calldata")) };
const now = Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
if (process.argv.includes("--write")) {
  writeFileSync(committed, JSON.stringify(now, null, 1) + "\n");
  process.exit(0);
}

const before = JSON.parse(readFileSync(committed, "utf8"));
let failed = false;
for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
  const [old, found] = [before[name], now[name]];
  const line = `${name}: ${old ?? "unknown"} -> ${found ?? "not measured"}`;
  if (old === undefined || found === undefined || found > old * (1 + TOLERANCE)) {
    console.error(`${line}: run \`npm run gas -- --write\` if that is meant`);
    failed = true;
  } else if (found !== old) {
    console.log(line);
  }
}
process.exit(failed ? 1 : 0);
