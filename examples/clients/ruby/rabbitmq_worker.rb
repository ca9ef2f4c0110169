# A worker on RabbitMQ: serves shouter until it is stopped. What it had begun when it was killed
# the broker gives to another one, or to its next start. It does not wait for a notification's "not-before".
require "bunny"
require_relative "shouter"

connection = Bunny.new(ENV.fetch("RABBITMQ_URL", "amqp://127.0.0.1")).start
channel = connection.create_channel(nil, 4) # 4 messages at once
channel.prefetch(4)
# Where callers publish: "rpc" first, and what is bound there to no queue goes on to "rpc.any".
any = channel.exchange("rpc.any", type: :headers, durable: true)
channel.exchange("rpc", type: :headers, durable: true, arguments: { "alternate-exchange" => "rpc.any" })
# What comes back four times, because whoever took it died, is kept where "journeyman dead" finds it.
channel.queue("shouter.dead", durable: true, arguments: { "x-queue-type" => "quorum", "x-delivery-limit" => 2**30 })
queue = channel.queue("shouter", durable: true, arguments: {
  "x-queue-type" => "quorum", "x-delivery-limit" => 3,
  "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => "shouter.dead"
})
queue.bind(any, arguments: { "x-match" => "all", "destination" => "shouter" })

queue.subscribe(manual_ack: true, block: true) do |delivery, properties, body|
  expires = properties.headers&.fetch("expires", nil)
  reply = answer(body) unless expires && expires <= Time.now.to_f * 1000
  if reply && properties.reply_to
    channel.default_exchange.publish(
      reply, routing_key: properties.reply_to, content_type: "application/json",
      persistent: properties.reply_to.include?("journeyman.reply.box."), # where it waits until somebody fetches it
      correlation_id: properties.correlation_id || properties.message_id
    )
  end
  channel.ack(delivery.delivery_tag)
end
