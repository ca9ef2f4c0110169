# Calls calculator.add on RabbitMQ with direct reply-to: no reply queue, one channel for both ways.
require "bunny"
require "json"
require "securerandom"
require "timeout"

timeout = Integer(ENV.fetch("TIMEOUT", "10")) # seconds
channel = Bunny.new(ENV.fetch("RABBITMQ_URL", "amqp://127.0.0.1")).start.create_channel
id, answers = SecureRandom.uuid, Queue.new
channel.basic_consume("amq.rabbitmq.reply-to", "", true) do |_, properties, body|
  answers << [properties, body] if properties.correlation_id == id
end
channel.default_exchange.publish(
  JSON.generate(jsonrpc: "2.0", id: 1, method: "add", params: [1, 5.1]),
  routing_key: "calculator", reply_to: "amq.rabbitmq.reply-to", correlation_id: id,
  content_type: "application/json", expiration: timeout * 1000
)
properties, body = Timeout.timeout(timeout) { answers.pop } rescue abort("no reply within #{timeout} s")
abort "calculator: #{properties.headers["error"]}" if body.empty?
reply = JSON.parse(body)
abort "calculator: #{reply["error"]["message"]}" if reply["error"]
puts reply["result"]
