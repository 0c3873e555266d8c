// A thread that compiles mutants: it takes sources by file, and answers with artefacts by contract.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parentPort } from "node:worker_threads";
import { compile } from "../compiler.mjs";
import { root } from "../forge.mjs";

/** What the compiler does at least: contracts have too many variables for the older code generator, and the verifier for a stack. */
const PIPELINE = {
  viaIR: true,
  optimizer: { enabled: true, runs: 1, details: { yul: true, yulDetails: { stackAllocation: true, optimizerSteps: ":" } } },
};

/** The sources that a file needs, itself included. */
function closure(entry, changed) {
  const sources = {};
  const pending = [entry];
  for (let file = pending.pop(); file; file = pending.pop()) {
    if (sources[file]) continue;
    const path = file.startsWith("@") ? join(root, "node_modules", file) : join(root, file);
    const content = changed[file] ?? readFileSync(path, "utf8");
    sources[file] = { content };
    for (const [, name] of content.matchAll(/^import\s[^;]*?"([^"]+)"\s*;/gms)) {
      pending.push(name.startsWith(".") ? join(dirname(file), name) : name);
    }
  }
  return sources;
}

parentPort.on("message", ({ contracts, changed }) => {
  const artifacts = {};
  for (const [name, file] of Object.entries(contracts)) {
    const settings = {
      ...PIPELINE,
      evmVersion: "osaka",
      metadata: { bytecodeHash: "none", appendCBOR: false },
      outputSelection: { [file]: { [name]: ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    };
    const input = { language: "Solidity", sources: closure(file, changed), settings };
    const output = JSON.parse(compile(JSON.stringify(input)));
    const failed = output.errors?.find(({ severity }) => severity === "error");
    if (failed) return parentPort.postMessage({ error: failed.formattedMessage });
    const { abi, evm } = output.contracts[file][name];
    const [bytecode, deployedBytecode] = [evm.bytecode, evm.deployedBytecode].map(({ object }) => `0x${object}`);
    artifacts[name] = JSON.stringify({ abi, bytecode, deployedBytecode });
  }
  parentPort.postMessage({ artifacts });
});
