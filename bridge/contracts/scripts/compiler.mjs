// The compiler that package-lock.json pins.
import { createRequire } from "node:module";

const solc = createRequire(import.meta.url)("solc");

/** The compiler's version and commit, in the form that forge parses. */
export function version() {
  return solc.version().replace("Emscripten.clang", "Linux.g++");
}

/** Compiles a standard JSON input whose sources carry their content, and returns the standard JSON output. */
export function compile(input) {
  return solc.compile(input);
}
