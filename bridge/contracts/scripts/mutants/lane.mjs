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

/** What forge and Rust's tests end with if a test fails. */
const FAILED = [1, 101];

/** How tests end: "passed", "failed" or "not ended" within the limit. One that ends in any other way says nothing. */
function outcome(file, options, { env, cwd = root }) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, options, { cwd, env: { ...process.env, ...env }, stdio: "ignore", timeout: LIMIT_MS });
    child.on("error", reject);
    child.on("exit", (status, signal) => {
      if (status === 0) resolve("passed");
      else if (FAILED.includes(status)) resolve("failed");
      else if (child.killed) resolve("not ended");
      else reject(new Error(`${file} ended with ${signal ?? `status ${status}`}`));
    });
  });
}

export class Lane {
  #worker = new Worker(new URL("./compile.mjs", import.meta.url));

  /** `tests` lists the Rust tests of each set that has any. */
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
  async #build({ contracts }, changed) {
    this.#worker.postMessage({ contracts, changed });
    const [{ artifacts, error }] = await once(this.#worker, "message");
    if (error) throw new Error(`it does not compile: ${error}`);
    return artifacts;
  }

  /** The runs of tests of a set, each with a name; they read the artefacts of this lane. */
  #runs(set) {
    const artifact = (name) => join(this.contracts, "artifacts", `${name}.json`);
    if (set.binary) {
      const env = Object.fromEntries(Object.entries(set.environment).map(([name, contract]) => [name, artifact(contract)]));
      const run = ({ name, program }) => ({ name, outcome: () => outcome(program, ["--exact", name], { env }) });
      return this.tests.get(set).map(run);
    }
    return set.stages.map(({ options, env }) => {
      const all = ["test", "--fail-fast", "--code-size-limit", CODE_LIMIT, ...options];
      const place = { cwd: this.contracts, env: { FOUNDRY_PROFILE: "tests", ...env } };
      return { name: `forge ${options.join(" ")}`, outcome: () => outcome(program, all, place) };
    });
  }

  /** Puts the artefacts of these sources in place of the committed ones. */
  async #install(set, changed) {
    const folder = join(this.contracts, "artifacts");
    cpSync(join(root, "artifacts"), folder, { recursive: true });
    const artifacts = await this.#build(set, changed);
    for (const [name, text] of Object.entries(artifacts)) writeFileSync(join(folder, `${name}.json`), text);
  }

  /** Runs all tests of a set without a change, and puts the fastest Rust tests first. */
  async rehearse(set) {
    await this.#install(set, {});
    const times = new Map();
    for (const { name, outcome } of this.#runs(set)) {
      const start = performance.now();
      const ended = await outcome();
      if (ended !== "passed") throw new Error(`${name} has ${ended} without any change`);
      times.set(name, performance.now() - start);
    }
    this.tests.get(set)?.sort((a, b) => times.get(a.name) - times.get(b.name));
  }

  /** The first run of tests that does not pass with these sources, if there is one, and how it ended if it did not fail. */
  async killer(set, changed) {
    await this.#install(set, changed);
    for (const { name, outcome } of this.#runs(set)) {
      const ended = await outcome();
      if (ended !== "passed") return ended === "failed" ? name : `${name}, which has ${ended}`;
    }
    return undefined;
  }

  async close() {
    await this.#worker.terminate();
  }
}
