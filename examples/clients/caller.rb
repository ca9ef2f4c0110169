# Calls the calculator from Ruby: two commands, no library of ours.
require "json"
require "redis"
require "securerandom"

redis = Redis.new(url: ENV.fetch("REDIS_URL", "redis://127.0.0.1:6399"))
id = SecureRandom.hex # names the list on which the reply arrives
redis.lpush("calculator", JSON.generate(jsonrpc: "2.0", id: id, method: "add", params: [1, 5.1]))
_, reply = redis.brpop(id, timeout: 10)
puts JSON.parse(reply)["result"]
