// Calls calculator.add on RabbitMQ with direct reply-to: no reply queue, one channel for both ways.
import { randomUUID } from "node:crypto";
import amqp from "amqplib";

const timeout = Number(process.env.TIMEOUT ?? 10); // seconds
const fail = (why) => { console.error(why); process.exit(1); };
const connection = await amqp.connect(process.env.RABBITMQ_URL ?? "amqp://127.0.0.1");
const channel = await connection.createChannel();
const replyTo = "amq.rabbitmq.reply-to";
const correlationId = randomUUID();
await channel.consume(replyTo, ({ properties, content }) => {
  if (properties.correlationId !== correlationId) return;
  if (content.length === 0) fail(`calculator: ${properties.headers.error}`);
  const reply = JSON.parse(content);
  if (reply.error) fail(`calculator: ${reply.error.message}`);
  console.log(reply.result);
  process.exit();
}, { noAck: true });
channel.sendToQueue("calculator", Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "add", params: [1, 5.1] })),
  { replyTo, correlationId, contentType: "application/json", expiration: timeout * 1000 });
setTimeout(() => fail(`no reply within ${timeout} s`), timeout * 1000);
