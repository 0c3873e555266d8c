// Removes each check of the contracts and turns each choice, alone, and fails if all tests pass nevertheless:
// `npm run mutants -- [--sample N] [--only PATTERN] [--jobs N] [--list]`.
//
// A mutant that no test kills is either a test that is missing or equivalent to the contract; equivalent ones are in
// mutants/equivalent.json, each with its reason.
import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "./forge.mjs";
import { Lane } from "./mutants/lane.mjs";
import { mutantsOf, sampleOf } from "./mutants/places.mjs";

/** The settlement contracts' tests: first those of single rules, with few random cases, then some random sequences. */
const STAGES = [
  { options: ["--no-match-contract", "GasTest|Invariants"], env: { FOUNDRY_FUZZ_RUNS: "64" } },
  { options: ["--match-contract", "Invariants"], env: { FOUNDRY_INVARIANT_RUNS: "50" } },
];

/** The contracts that are built for a mutant, and the tests of which one should fail. The first set that holds a file has it. */
const SETS = [
  {
    holds: (file) => file.startsWith("src/verifier/"),
    // It is the verifier and more.
    contracts: { FixedChallenges: "test/verifier/FixedChallenges.sol" },
    binary: "verifier",
    environment: {
      SUPERBLOCK_VERIFIER_ARTIFACT: "FixedChallenges",
      SUPERBLOCK_FIXED_CHALLENGES_ARTIFACT: "FixedChallenges",
    },
  },
  {
    holds: (file) => file === "src/RegistryTree.sol",
    contracts: { RegistryTree: "src/RegistryTree.sol" },
    binary: "registry",
    environment: { SUPERBLOCK_REGISTRY_TREE_ARTIFACT: "RegistryTree" },
  },
  {
    holds: (file) => file === "src/VerifierRouter.sol",
    contracts: { VerifierRouter: "src/VerifierRouter.sol" },
    stages: STAGES,
  },
  {
    holds: () => true,
    contracts: { Settlement: "src/Settlement.sol" },
    stages: STAGES,
  },
];

/** The Rust tests of a set. */
function rustTests({ binary }) {
  const options = ["test", "-p", "superblock-bridge-verifier", "--test", binary, "--no-run", "--message-format=json"];
  const built = spawnSync("cargo", options, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] });
  const messages = built.stdout.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  const executable = messages.findLast((message) => message.executable && message.target.name === binary)?.executable;
  if (built.status !== 0 || !executable) throw new Error(`cargo does not build the test ${binary}`);
  const list = spawnSync(executable, ["--list", "--format=terse"], { encoding: "utf8" }).stdout;
  const names = [...list.matchAll(/^(\S+): test$/gm)].map(([, name]) => name);
  return names.map((name) => ({ name, program: executable }));
}

const { values } = parseArgs({
  options: {
    sample: { type: "string" },
    only: { type: "string" },
    jobs: { type: "string", default: String(availableParallelism()) },
    list: { type: "boolean", default: false },
  },
});

const files = readdirSync(join(root, "src"), { recursive: true }).filter((file) => file.endsWith(".sol")).sort();
const sources = new Map(files.map((file) => [`src/${file}`, readFileSync(join(root, "src", file), "utf8")]));
const all = [...sources].flatMap(([file, text]) => mutantsOf(file, text));
const equivalent = new Map(
  JSON.parse(readFileSync(new URL("./mutants/equivalent.json", import.meta.url))).map(({ mutant, reason }) => [mutant, reason]),
);
const unmatched = [...equivalent.keys()].filter((id) => !all.some((mutant) => mutant.id === id));
for (const id of unmatched) console.error(`equivalent.json names a mutant that does not exist: ${id}`);

const chosen = all.filter(({ id }) => new RegExp(values.only ?? "").test(id));
const mutants = values.sample ? sampleOf(chosen, sources, Number(values.sample)) : chosen;
if (values.list) {
  for (const { id } of mutants) console.log(id);
  process.exit(unmatched.length > 0 ? 1 : 0);
}

const start = performance.now();
const setOf = ({ file }) => SETS.find(({ holds }) => holds(file));
const sets = new Set(mutants.map(setOf));
const tests = new Map([...sets].filter(({ binary }) => binary).map((set) => [set, rustTests(set)]));
const lanes = Array.from({ length: Number(values.jobs) }, (_, i) => new Lane(i, tests));

// The contracts as they are pass, built as mutants are.
for (const set of sets) await lanes[0].rehearse(set);

const found = { killed: 0, equivalent: 0, survived: [], wrong: [] };
const queue = [...mutants];
await Promise.all(
  lanes.map(async (lane) => {
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      const began = performance.now();
      let reason;
      const killer = await lane.killer(setOf(mutant), { [mutant.file]: mutant.text }).catch((error) => {
        reason = error.message;
      });
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      const isEquivalent = equivalent.has(mutant.id);
      if (reason || (killer && isEquivalent)) found.wrong.push(mutant.id);
      else if (killer) ++found.killed;
      else if (isEquivalent) ++found.equivalent;
      else found.survived.push(mutant.id);
      const fate = reason ? `not judged: ${reason}` : killer ? `killed by ${killer}` : isEquivalent ? "equivalent" : "SURVIVED";
      console.log(`${mutant.id}: ${fate} (${seconds} s)`);
    }
    await lane.close();
  }),
);

const seconds = Math.round((performance.now() - start) / 1000);
const { killed, survived, wrong } = found;
console.log(
  `${mutants.length} mutants of ${all.length}: ${killed} killed, ${found.equivalent} equivalent, ${survived.length} survived, ` +
    `${wrong.length} wrong; ${seconds} s`,
);
for (const id of survived) console.error(`no test fails: ${id}`);
for (const id of wrong) console.error(`it is not judged, or is listed as equivalent and is not: ${id}`);
process.exit(survived.length + wrong.length + unmatched.length > 0 ? 1 : 0);
