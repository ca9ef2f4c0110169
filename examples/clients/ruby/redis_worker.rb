# A worker on Redis: serves shouter until it is stopped. What it had begun when it was killed it
# runs again at its next start; each of several instances needs a name of its own.
require "redis"
require_relative "shouter"

redis = Redis.new(url: ENV.fetch("REDIS_URL", "redis://127.0.0.1:6399"))
begun = "{shouter}:ruby:#{ENV.fetch("INSTANCE", "1")}"
# A caller can have us write to no other key than these: reply lists, and what looks like an id.
reply_list = /\A\{journeyman\}:r:\h{8}(-\h{4}){3}-\h{12}\z/
fit_id = /\A(?![a-z]{1,24}\z)[^:{}]{8,128}\z/

redis.sadd("journeyman::services", ["shouter"]) # from now on callers know the name
nil while redis.lmove(begun, "shouter", "LEFT", "RIGHT")
loop do
  message = redis.blmove("shouter", begun, "RIGHT", "LEFT", timeout: 0).b
  head, body = message.match?(/\A([a-z0-9-]+:.*\n)+\r?\n/i) ? message.split(/\r?\n\r?\n/, 2) : ["", message]
  headers = head.lines.to_h { |line| line.chomp.split(/:\s*/, 2) }.transform_keys(&:downcase)
  late = headers["expires"] && headers["expires"].to_i <= Time.now.to_f * 1000
  reply = answer(body) unless late
  if headers["id"] # the message's own, beside that of the request
    list, reply = headers["reply-to"].to_s[reply_list], reply && "Id: #{headers["id"]}\n\n#{reply}"
  elsif reply
    list = JSON.parse(reply)["id"].to_s[fit_id]
  end
  life = reply && list ? [60, redis.ttl(list)].max : 0 # the list of a caller that comes for its reply later has its own
  redis.multi do |step|
    step.lrem(begun, -1, message)
    if reply && list
      step.lpush(list, reply)
      step.expire(list, life)
    end
  end
end
