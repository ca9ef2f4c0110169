# Calls calculator.add on RabbitMQ through the headers exchange "rpc", which returns what no service takes.
require "bunny"
require "json"
require "securerandom"
require "timeout"

timeout = Integer(ENV.fetch("TIMEOUT", "10")) # seconds
channel = Bunny.new(ENV.fetch("RABBITMQ_URL", "amqp://127.0.0.1")).start.create_channel
id, answers = SecureRandom.uuid, Queue.new
replies = channel.queue("", exclusive: true) # named by the broker, gone with the connection
replies.subscribe { |_, properties, body| answers << [properties, body] if properties.correlation_id == id }
rpc = channel.exchange("rpc", type: :headers, passive: true) rescue abort("no service was ever started on this broker")
rpc.on_return { abort "there is no service calculator" }
rpc.publish(
  JSON.generate(jsonrpc: "2.0", id: 1, method: "add", params: [1, 5.1]),
  headers: { destination: "calculator", procedure: "add" }, mandatory: true,
  reply_to: replies.name, correlation_id: id, content_type: "application/json", expiration: timeout * 1000
)
properties, body = Timeout.timeout(timeout) { answers.pop } rescue abort("no reply within #{timeout} s")
abort "calculator: #{properties.headers["error"]}" if body.empty?
reply = JSON.parse(body)
abort "calculator: #{reply["error"]["message"]}" if reply["error"]
puts reply["result"]
