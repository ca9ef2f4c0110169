"""Calls calculator.add on RabbitMQ: through the default exchange, with a reply queue of its own."""
import json, os, sys, uuid

import pika

timeout = int(os.environ.get("TIMEOUT", "10"))  # seconds
url = os.environ.get("RABBITMQ_URL", "amqp://127.0.0.1")
channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
replies = channel.queue_declare("", exclusive=True).method.queue  # named by the broker, gone with the connection
id = str(uuid.uuid4())
channel.basic_publish(
    "", "calculator", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "add", "params": [1, 5.1]}),
    pika.BasicProperties(reply_to=replies, correlation_id=id, content_type="application/json",
                         expiration=str(timeout * 1000)))
for _, properties, body in channel.consume(replies, auto_ack=True, inactivity_timeout=timeout):
    if properties is None:
        sys.exit(f"no reply within {timeout} s")
    if properties.correlation_id == id:
        break
if not body:
    sys.exit(f"calculator: {properties.headers['error']}")
reply = json.loads(body)
if "error" in reply:
    sys.exit(f"calculator: {reply['error']['message']}")
print(reply["result"])
