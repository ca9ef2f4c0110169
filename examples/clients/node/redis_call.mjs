// Calls calculator.add on Redis. The id names the list on which the reply arrives.
import { randomUUID } from "node:crypto";
import Redis from "ioredis";

const timeout = Number(process.env.TIMEOUT ?? 10); // seconds
const fail = (why) => { console.error(why); process.exit(1); };
const redis = new Redis(process.env.REDIS_URL ?? "redis://127.0.0.1:6399");
const id = randomUUID();
await redis.lpush("calculator", JSON.stringify({ jsonrpc: "2.0", id, method: "add", params: [1, 5.1] }));
const popped = await redis.brpop(id, timeout);
if (popped === null) fail(`no reply within ${timeout} s`);
const reply = JSON.parse(popped[1]);
if (reply.error) fail(`calculator: ${reply.error.message}`);
console.log(reply.result);
redis.disconnect();
