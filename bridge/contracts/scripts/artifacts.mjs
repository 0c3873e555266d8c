// Writes artifacts/NAME.json of each contract that is deployed, or with --check compares them byte for byte with what the
// pinned compiler makes now.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { forge, root } from "./forge.mjs";

/** Contracts by the folder of their artefacts: those that are deployed, and those that Rust tests call. */
const folders = {
  artifacts: ["AccessManager", "RegistryTree", "Settlement", "SuperblockVerifier", "VerifierRouter"],
  "test/artifacts": ["FixedChallenges", "VerifierHarness"],
};
/** The most bytes that a contract may have (EIP-170). */
const MAX_CODE = 24576;

/** An artefact's text: only what callers and deployments need, so that it changes with the contract alone. */
function artifact(name, limit) {
  const { abi, bytecode, deployedBytecode } = JSON.parse(readFileSync(join(root, `out/${name}.sol/${name}.json`), "utf8"));
  const size = deployedBytecode.object.length / 2 - 1;
  if (size > limit) {
    console.error(`${name} has ${size} bytes of code, more than ${limit}`);
    process.exit(1);
  }
  const entries = abi.map((entry) => `\n  ${JSON.stringify(entry)}`).join(",");
  return `{
 "abi": [${entries}
 ],
 "bytecode": "${bytecode.object}",
 "deployedBytecode": "${deployedBytecode.object}"
}
`;
}

forge("default", "build");
let failed = false;
for (const [folder, contracts] of Object.entries(folders)) {
  const path = join(root, folder);
  const expected = new Map(contracts.map((name) => [`${name}.json`, artifact(name, folder === "artifacts" ? MAX_CODE : Infinity)]));
  if (process.argv.includes("--check")) {
    const found = existsSync(path) ? readdirSync(path).sort() : [];
    const wrong = [...expected].filter(
      ([file, text]) => !found.includes(file) || readFileSync(join(path, file), "utf8") !== text,
    );
    const unknown = found.filter((file) => !expected.has(file));
    for (const [file] of wrong) console.error(`${folder}/${file} is not what the compiler makes: run \`npm run build\``);
    for (const file of unknown) console.error(`${folder}/${file} is no contract's`);
    failed ||= wrong.length + unknown.length > 0;
    continue;
  }
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path);
  for (const [file, text] of expected) writeFileSync(join(path, file), text);
}
process.exit(failed ? 1 : 0);
