// Calls calculator through the gateway with jayson, a JSON-RPC client from npm: a call,
// and a batch whose members come back in one reply.
import jayson from "jayson/promise/index.js";

const timeout = Number(process.env.TIMEOUT ?? 10); // seconds
const fail = (why) => { console.error(why); process.exit(1); };
const url = process.env.CALCULATOR_URL ?? "http://127.0.0.1:5000/rpc/calculator";
const client = (url.startsWith("https:") ? jayson.Client.https : jayson.Client.http)(url);
const ask = async (what) => {
  const late = new Promise((_, no) => setTimeout(no, timeout * 1000, new Error(`no reply within ${timeout} s`)));
  return Promise.race([what, late]).catch((e) => fail(
    e.code > 0 ? `calculator: ${e.message.trim()}` // a refusal, and its status
      : e.message.startsWith("no reply") ? e.message : `${url}: ${e.message || e.code}`));
};
const { result, error } = await ask(client.request("add", [1, 5.1]));
if (error) fail(`calculator: ${error.message}`);
const batch = await ask(client.request([
  client.request("add", { a: result, b: 1 }, undefined, false),
  client.request("subtract", [7.1, 1], undefined, false),
]));
if (Math.abs(batch[1].result - result) > 1e-9 || batch[0].result !== 7.1) fail(`calculator: ${JSON.stringify(batch)}`);
console.log(result);
process.exit(0);
