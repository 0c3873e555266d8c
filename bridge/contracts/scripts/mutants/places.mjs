// Finds the checks and choices of a Solidity source, and what its text would be without each of them.
import { createHash } from "node:crypto";

/** Words of a function's header that are no modifiers. */
const HEADER_WORDS = new Set(["external", "public", "internal", "private", "view", "pure", "payable", "virtual"]);
/** Functions that only check, by their names. */
const CHECKS = /(?<=[;{})]\s*)_?check[A-Z]\w*\s*\(/g;

/** The text with comments and strings blanked out, so that positions stay. */
function code(text) {
  const blank = (found) => found.replace(/[^\n]/g, " ");
  return text.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"/g, blank);
}

/** The position after the bracket that closes the one at `open`. */
function closing(text, open) {
  let depth = 0;
  for (let i = open; i < text.length; ++i) {
    if ("([{".includes(text[i])) ++depth;
    if (")]}".includes(text[i]) && --depth === 0) return i + 1;
  }
  throw new Error(`no bracket closes the one at ${open}`);
}

/** The ranges of `text` from `start` to `end` between separators that stand in no brackets. */
function split(text, start, end, separator) {
  const parts = [];
  let from = start;
  for (let i = start; i < end; ++i) {
    if ("([{".includes(text[i])) i = closing(text, i) - 1;
    else if (text.startsWith(separator, i)) {
      parts.push([from, i]);
      from = i + separator.length;
    }
  }
  return [...parts, [from, end]];
}

/** The range without white space at its ends. */
function trimmed(text, [start, end]) {
  while (/\s/.test(text[start])) ++start;
  while (/\s/.test(text[end - 1])) --end;
  return [start, end];
}

/** Both alternatives of a choice `a ? b : c`, if the range is one. */
function alternatives(text, start, end) {
  const [, rest] = split(text, start, end, "?");
  if (!rest) return undefined;
  const [[from, to]] = split(text, rest[0], end, ":");
  return [[from, to], [to + 1, end]].map((part) => trimmed(text, part));
}

/**
 * The operands of a condition whose absence leaves a weaker or a stronger one, with what replaces each. `absent` is what replaces the
 * condition itself, if it is an operand; an operand that is a choice has its alternatives replaced, too.
 */
function operands(text, start, end, absent) {
  [start, end] = trimmed(text, [start, end]);
  if (text[start] === "(" && closing(text, start) === end) return operands(text, start + 1, end - 1, absent);
  const chosen = alternatives(text, start, end);
  if (chosen) {
    return chosen.flatMap(([from, to]) => {
      const whole = absent ? [{ start: from, end: to, replacement: absent }] : [];
      return [...whole, ...operands(text, from, to, absent)];
    });
  }
  for (const [separator, replacement] of [["||", "false"], ["&&", "true"]]) {
    const parts = split(text, start, end, separator).map((part) => trimmed(text, part));
    if (parts.length > 1) {
      return parts.flatMap(([from, to]) => [{ start: from, end: to, replacement }, ...operands(text, from, to, replacement)]);
    }
  }
  return [];
}

/** All matches of `pattern`, with the position after what its last bracket opens. */
function* brackets(text, pattern) {
  for (const match of text.matchAll(pattern)) {
    const open = match.index + match[0].length - 1;
    yield { start: match.index, open, end: closing(text, open) };
  }
}

/** The end of the statement that ends after white space and `;`. */
function statementEnd(text, end) {
  return end + /^\s*;?/.exec(text.slice(end))[0].length;
}

/** Every `revert` and `require`, Yul's too. */
function* reverts(text) {
  for (const { start, end } of brackets(text, /\b(?:revert\s+[\w.]+|revert|require)\s*\(/g)) {
    yield { operator: "without", start, end: statementEnd(text, end), replacement: "{}" };
  }
}

/** Every call of a function that only checks. */
function* checks(text) {
  for (const { start, end } of brackets(text, CHECKS)) {
    yield { operator: "without", start, end: statementEnd(text, end), replacement: "{}" };
  }
}

/** Every part of a condition on which a revert hangs. */
function* conditions(text) {
  for (const { open, end } of brackets(text, /\bif\s*\(/g)) {
    const rest = text.slice(end);
    const block = /^\s*\{/.exec(rest);
    const consequence = block ? rest.slice(0, closing(rest, block[0].length - 1)) : rest.slice(0, rest.indexOf(";"));
    if (!/\brevert\b|\breturn\s+false\b/.test(consequence)) continue;
    for (const operand of operands(text, open + 1, end - 1)) yield { operator: "without operand", ...operand };
  }
}

/** Every `if` that leaves a function or a turn of a loop. */
function* guards(text) {
  for (const { start: from, end } of brackets(text, /\bif\s*\(/g)) {
    const jump = /^\s*((?:return\b[^;]*|continue|break)\s*;)/.exec(text.slice(end));
    if (!jump) continue;
    const start = end + jump[0].length - jump[1].length;
    yield { operator: "without", start, end: end + jump[0].length, replacement: "{}", from };
  }
}

/** What makes a condition hold in no case and in every case, and its operands. */
function* decisions(text, start, end, named) {
  for (const replacement of ["false", "true"]) yield { operator: `with ${replacement} for`, start, end, replacement, named };
  for (const operand of operands(text, start, end)) yield { operator: "without operand", ...operand };
}

/** Every `if` before an assignment. */
function* choices(text) {
  for (const { start, open, end } of brackets(text, /\bif\s*\(/g)) {
    if (!/^\s*(?:\{\s*)?(?:\([^()]*\)|[\w.[\]]+)\s*(?:[-+*|&]|<<|>>)?=(?!=)/.test(text.slice(end))) continue;
    yield* decisions(text, open + 1, end - 1, [start, end]);
  }
}

/** Where the expression begins that ends at `end`: behind a bracket, a comma, a semicolon, an assignment or `return`. */
function beginning(text, end) {
  let start = end;
  for (let depth = 0; start > 0; --start) {
    const last = text[start - 1];
    if (")]}".includes(last)) ++depth;
    else if ("([{".includes(last) && --depth < 0) break;
    else if (depth === 0 && (",;".includes(last) || /^[^=!<>]=[^=]$/.test(text.slice(start - 2, start + 1)))) break;
  }
  return start + /^\s*(?:return\b)?/.exec(text.slice(start))[0].length;
}

/** The condition of every `a ? b : c`. */
function* alternations(text) {
  for (const { index } of text.matchAll(/\?/g)) {
    const [start, end] = trimmed(text, [beginning(text, index), index]);
    yield* decisions(text, start, end, [start, index + 1]);
  }
}

/** Every part of a condition that is returned or kept. */
function* values(text) {
  for (const match of text.matchAll(/\breturn\s|\bbool\s+\w+\s*=(?!=)/g)) {
    const start = match.index + match[0].length;
    for (const operand of operands(text, start, text.indexOf(";", start))) yield { operator: "without operand", ...operand };
  }
}

/** Every modifier of a function. */
function* modifiers(text) {
  for (const { end } of brackets(text, /\bfunction\s+\w+\s*\(/g)) {
    const header = /^[^{;]*/.exec(text.slice(end))[0];
    // A function of Yul has no modifiers, but results after an arrow.
    if (text[end + header.length] !== "{" || header.includes("->")) continue;
    for (let i = 0; i < header.length; ) {
      const word = /^(\w+)\s*/.exec(header.slice(i));
      if (!word) {
        ++i;
        continue;
      }
      let to = i + word[1].length;
      if (header[to] === "(") to = closing(header, to);
      else if (header[i + word[0].length] === "(") to = closing(header, i + word[0].length);
      if (!HEADER_WORDS.has(word[1]) && !["returns", "override"].includes(word[1])) {
        yield { operator: "without", start: end + i, end: end + to, replacement: "" };
      }
      i = to;
    }
  }
}

/** Both ends of every loop that checks something in each turn. */
function* loops(text) {
  for (const { start: from, open, end } of brackets(text, /\bfor\s*\(/g)) {
    const head = /^\(\s*uint\w*\s+(\w+)\s*=\s*(0)\s*;\s*(\1\s*<)\s*/.exec(text.slice(open));
    const block = /^\s*\{/.exec(text.slice(end));
    if (!head || !block) continue;
    const step = /\+=\s*(\d+)\s*\)$/.exec(text.slice(open, end))?.[1] ?? "1";
    const body = text.slice(end, closing(text, end + block[0].length - 1));
    if (!/\brevert\b|\b_?check[A-Z]\w*\s*\(/.test(body)) continue;
    const first = open + head[0].indexOf("= 0") + 2;
    yield { operator: "without the first turn", start: first, end: first + 1, replacement: step, from };
    const bound = open + head[0].lastIndexOf(head[3]);
    const replacement = `${head[1]} + ${step} <`;
    yield { operator: "without the last turn", start: bound, end: bound + head[3].length, replacement, from };
  }
}

/** Everything that a transcript absorbs at once. */
function* absorptions(text) {
  for (const { start, end } of brackets(text, /\btranscript\.absorb\s*\(/g)) {
    yield { operator: "without", start, end: statementEnd(text, end), replacement: "{}" };
  }
}

/** Every `if` of Yul, and each side of an `or` in its condition. */
function* yulConditions(text) {
  for (const assembly of brackets(text, /\bassembly\b[^{]*\{/g)) {
    const block = text.slice(0, assembly.end);
    for (const match of block.slice(assembly.open).matchAll(/\bif\s+(?=[\w(])/g)) {
      const start = assembly.open + match.index + match[0].length;
      const end = block.indexOf("{", start);
      yield { operator: "never", start, end, replacement: "0 " };
      for (const or of brackets(block.slice(0, end), /\bor\s*\(/g)) {
        if (or.start < start) continue;
        for (const [from, to] of split(text, or.open + 1, or.end - 1, ",").map((part) => trimmed(text, part))) {
          yield { operator: "only", start: or.start, end: or.end, replacement: text.slice(from, to), named: [from, to] };
        }
      }
    }
  }
}

/** The name of the function or modifier that a position is in. */
function owner(text, position) {
  const names = [...text.slice(0, position).matchAll(/\b(?:function|modifier)\s+(\w+)|\b(constructor)\s*\(/g)];
  const last = names.at(-1);
  return last ? (last[1] ?? last[2]) : "file";
}

/**
 * The mutants of a file: `id`, which does not depend on lines, and `text`, which is the source without one check.
 * Guards are checks of the contracts that keep money; in the verifier they choose between cases.
 */
export function mutantsOf(file, source) {
  const text = code(source);
  const finders = [reverts, checks, conditions, modifiers, loops, absorptions, yulConditions];
  if (!file.startsWith("src/verifier/")) finders.push(guards, choices, alternations, values);
  const seen = new Map();
  return finders
    .flatMap((find) => [...find(text)])
    .sort((a, b) => a.start - b.start || a.end - b.end)
    .map((place) => {
      const [from, to] = place.named ?? [place.start, place.end];
      // A guard or a loop is named by its condition, too.
      const begin = place.from ?? from;
      const end = place.operator.endsWith("turn") ? closing(text, text.indexOf("(", begin)) : to;
      const snippet = source.slice(begin, end).replace(/\s+/g, " ").trim();
      const name = `${file}: ${owner(text, place.start)}: ${place.operator} \`${snippet}\``;
      const count = (seen.get(name) ?? 0) + 1;
      seen.set(name, count);
      const mutated = source.slice(0, place.start) + place.replacement + source.slice(place.end);
      return { id: count > 1 ? `${name} (${count})` : name, file, text: mutated };
    });
}

/** Orders mutants by a hash that changes with the sources, and takes the first `count`. */
export function sampleOf(mutants, sources, count) {
  const all = createHash("sha256");
  for (const file of [...sources.keys()].sort()) all.update(`${file}\n${sources.get(file)}\n`);
  const seed = all.digest("hex");
  const rank = ({ id }) => createHash("sha256").update(seed + id).digest("hex");
  return mutants
    .map((mutant) => [rank(mutant), mutant])
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, count)
    .map(([, mutant]) => mutant);
}
