# The simplest worker on Redis: serves legacy until it is stopped. Callers in Go set
# JOURNEYMAN_ARTICLE_SERVICES=legacy, so that requests come without headers and ids name lists.
# A request that it took when it died is lost, and its caller's deadline ends the call.
require "json"
require "redis"

redis = Redis.new(url: ENV.fetch("REDIS_URL", "redis://127.0.0.1:6399"))
loop do
  _, message = redis.brpop("legacy")
  request = JSON.parse(message)
  result = request["params"].sum
  redis.lpush(request["id"], JSON.generate(jsonrpc: "2.0", id: request["id"], result: result))
  redis.expire(request["id"], 30)
end
