// Builds mutants and runs the tests that should fail, one mutant at a time, in a folder of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { program, root } from "../forge.mjs";

/** What the tests of the settlement contracts read outside of this folder. */
const VECTORS = "environments/l1/tests/openzeppelin/trees.json";
/** A mutant whose tests take longer loops, which no honest build does. */
const LIMIT_MS = 10 * 60 * 1000;
/** The code of mutants is not optimised, so it is larger than networks take. */
const CODE_LIMIT = "100000";

/** Whether a program ends well. */
function passes(file, options, { env, cwd = root }) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, options, { cwd, env: { ...process.env, ...env }, stdio: "ignore", timeout: LIMIT_MS });
    child.on("error", reject);
    child.on("exit", (status) => resolve(status === 0));
  });
}

export class Lane {
  #worker = new Worker(new URL("./compile.mjs", import.meta.url));

  /** `tests` lists the Rust tests of each set, the fastest first. */
  constructor(number, tests) {
    this.tests = tests;
    this.folder = join(root, `cache/mutants/${number}`);
    this.contracts = join(this.folder, "bridge/contracts");
    mkdirSync(this.contracts, { recursive: true });
    for (const name of ["foundry.toml", "roles.json", "src", "test", "scripts", "artifacts"]) {
      rmSync(join(this.contracts, name), { recursive: true, force: true });
      cpSync(join(root, name), join(this.contracts, name), { recursive: true });
    }
    const modules = join(this.contracts, "node_modules");
    if (!existsSync(modules)) symlinkSync(join(root, "node_modules"), modules);
    cpSync(join(root, "../..", VECTORS), join(this.folder, VECTORS));
  }

  /** The artefacts of a set's contracts, with these sources in place of the committed ones. */
  async #build({ pipeline, contracts }, changed) {
    this.#worker.postMessage({ pipeline, contracts, changed });
    const [{ artifacts, error }] = await once(this.#worker, "message");
    if (error) throw new Error(`it does not compile: ${error}`);
    return artifacts;
  }

  /** The tests that fail with these sources: the first one that does, or none. */
  async killer(set, changed) {
    const artifacts = await this.#build(set, changed);
    const folder = join(this.contracts, "artifacts");
    cpSync(join(root, "artifacts"), folder, { recursive: true });
    for (const [name, text] of Object.entries(artifacts)) writeFileSync(join(folder, `${name}.json`), text);
    if (set.binary) {
      const env = Object.fromEntries(
        Object.entries(set.environment).map(([name, contract]) => [name, join(folder, `${contract}.json`)]),
      );
      for (const test of this.tests.get(set)) {
        if (!(await passes(test.program, ["--exact", test.name], { env }))) return test.name;
      }
      return undefined;
    }
    for (const { options, env } of set.stages) {
      const all = ["test", "--fail-fast", "--code-size-limit", CODE_LIMIT, ...options];
      const passed = await passes(program, all, { cwd: this.contracts, env: { FOUNDRY_PROFILE: "tests", ...env } });
      if (!passed) return `forge ${options.join(" ")}`;
    }
    return undefined;
  }

  async close() {
    await this.#worker.terminate();
  }
}
