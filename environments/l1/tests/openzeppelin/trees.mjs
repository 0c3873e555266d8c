// Prints trees of payouts as OpenZeppelin's package makes them. `npm ci && npm run trees` writes `trees.json`, with which
// `cargo test` compares ours.
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";

const TYPES = ["uint32", "address", "uint16", "uint16", "uint32", "uint64", "bytes32"];
const KINDS = ["claim", "refund", "bounce"];

const hex = (bytes, value) => "0x" + value.toString(16).padStart(2 * bytes, "0");
// Spreads small numbers over all bytes.
const spread = (n, bytes) => (BigInt(n + 1) * 0x9e3779b97f4a7c15f39cc0605cedc8341082276bf3a27251f86c6a11d0c18e95n) % (1n << BigInt(8 * bytes));

const payout = (n, first) => ({
  index: first + n,
  recipient: hex(20, spread(n, 20)),
  kind: n % KINDS.length,
  origin: Number(spread(n, 2)) % 3,
  number: Number(spread(n, 4)),
  amount: n === 1 ? (1n << 64n) - 1n : spread(n, 7),
  name: hex(32, spread(n, 32)),
});

const tree = (count, first) => {
  const payouts = Array.from({ length: count }, (_, n) => payout(n, first));
  // The package makes no tree without leaves.
  if (count === 0) return { payouts: [], root: hex(32, 0n), proofs: [] };
  const values = payouts.map((one) => Object.values(one));
  const made = StandardMerkleTree.of(values, TYPES, { sortLeaves: false });
  const positions = count <= 3 ? values.keys() : [0, 1, 31, 32, 63, 64, count - 1];
  const proofs = Array.from(positions, (position) => ({
    position,
    leaf: made.leafHash(values[position]),
    proof: made.getProof(position),
  }));
  return { payouts, root: made.root, proofs };
};

const shown = ({ payouts, ...rest }) => ({
  payouts: payouts.map(({ index, recipient, kind, origin, number, amount, name }) => ({
    index,
    recipient,
    kind: KINDS[kind],
    asset: `${origin}:${number}`,
    amount: `#${amount}#`,
    name,
  })),
  ...rest,
});

const trees = [tree(0, 0), tree(1, 0), tree(2, 5), tree(3, 4294967290), tree(96, 1000)].map(shown);
// Integers of 64 bits, which this language does not write.
console.log(JSON.stringify(trees, null, 1).replace(/"#(\d+)#"/g, "$1"));
