// Signs typed data with viem, an implementation that is not ours.
//
//     node sign.mjs ACCOUNT < TYPED_DATA
//
// ACCOUNT is the index of one of the public test accounts that development nodes start with. Each line of the input is
// the JSON that `eth_signTypedData_v4` takes; the output has one line of JSON for each:
// {"address":"0x..","hash":"0x..","signature":"0x.."}.
import { createInterface } from "node:readline";
import { hashTypedData } from "viem";
import { mnemonicToAccount } from "viem/accounts";

// Known to everybody: whatever it holds on a public network is gone.
const MNEMONIC = "test test test test test test test test test test test junk";

const index = Number(process.argv[2]);
if (process.argv.length !== 3 || !Number.isInteger(index) || index < 0) {
  console.error("usage: node sign.mjs ACCOUNT < TYPED_DATA");
  process.exit(2);
}
const account = mnemonicToAccount(MNEMONIC, { addressIndex: index });
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === "") continue;
  const typedData = JSON.parse(line);
  const hash = hashTypedData(typedData);
  const signature = await account.signTypedData(typedData);
  console.log(JSON.stringify({ address: account.address, hash, signature }));
}
