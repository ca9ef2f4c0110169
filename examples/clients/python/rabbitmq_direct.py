"""Calls calculator.add on RabbitMQ with direct reply-to: no reply queue, one channel for both ways."""
import json, os, sys, time, uuid

import pika

timeout = int(os.environ.get("TIMEOUT", "10"))  # seconds
url = os.environ.get("RABBITMQ_URL", "amqp://127.0.0.1")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
id, answers, deadline = str(uuid.uuid4()), {}, time.monotonic() + timeout
channel.basic_consume("amq.rabbitmq.reply-to", auto_ack=True, on_message_callback=lambda _channel, _method, properties, body:
                      answers.update({properties.correlation_id: (properties, body)}))
channel.basic_publish(
    "", "calculator", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "add", "params": [1, 5.1]}),
    pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id=id, content_type="application/json",
                         expiration=str(timeout * 1000)))
while id not in answers:
    if time.monotonic() > deadline:
        sys.exit(f"no reply within {timeout} s")
    connection.process_data_events(time_limit=deadline - time.monotonic())
properties, body = answers[id]
if not body:
    sys.exit(f"calculator: {properties.headers['error']}")
reply = json.loads(body)
if "error" in reply:
    sys.exit(f"calculator: {reply['error']['message']}")
print(reply["result"])
