// Calls calculator.add over HTTP: at the gateway, or at the service itself.
const timeout = Number(process.env.TIMEOUT ?? 10); // seconds
const fail = (why) => { console.error(why); process.exit(1); };
const url = process.env.CALCULATOR_URL ?? "http://127.0.0.1:5000/rpc/calculator";
const response = await fetch(url, {
  method: "POST",
  headers: { "Content-Type": "application/json", "Journeyman-Timeout": timeout * 1000 },
  body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "add", params: [1, 5.1] }),
  signal: AbortSignal.timeout(timeout * 1000),
}).catch((e) => fail(e.name === "TimeoutError" ? `no reply within ${timeout} s` : `${url}: ${e.cause?.message ?? e.message}`));
const text = await response.text();
if (!response.headers.get("content-type")?.includes("json")) fail(`calculator: ${text.trim()}`); // a refusal
const reply = JSON.parse(text);
if (reply.error) fail(`calculator: ${reply.error.message}`);
console.log(reply.result);
