-- cancel.lua: takes a request back whose caller has gone.
--
-- KEYS  queue, cancelled
-- ARGV  the request as it was pushed, its id or "", until when a worker may have use of knowing in ms
-- Returns 1 if it was still in the queue.
--
-- What a worker has taken, or a sweep has marked, is noted for the workers to
-- find. So is what stands deep in a long queue: of the newest messages alone it is
-- sure that looking costs the broker little.
local queue, cancelled = unpack(KEYS)
local raw, id, expires = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', cancelled, '-inf', now) -- also lifts the out-of-memory refusal, see beat.lua
if redis.call('LPOS', queue, raw, 'MAXLEN', 10000) then
  return redis.call('LREM', queue, 1, raw)
end
if id ~= '' and expires > now then
  redis.call('ZADD', cancelled, expires, id)
  if redis.call('PTTL', cancelled) < expires - now then
    redis.call('PEXPIRE', cancelled, expires - now)
  end
end
return 0
