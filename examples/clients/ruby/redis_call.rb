# Calls calculator.add on Redis. The id names the list on which the reply arrives.
require "json"
require "redis"
require "securerandom"

timeout = Integer(ENV.fetch("TIMEOUT", "10")) # seconds
redis = Redis.new(url: ENV.fetch("REDIS_URL", "redis://127.0.0.1:6399"))
id = SecureRandom.uuid
redis.lpush("calculator", JSON.generate(jsonrpc: "2.0", id: id, method: "add", params: [1, 5.1]))
_, reply = redis.brpop(id, timeout: timeout)
abort "no reply within #{timeout} s" unless reply
reply = JSON.parse(reply)
abort "calculator: #{reply["error"]["message"]}" if reply["error"]
puts reply["result"]
