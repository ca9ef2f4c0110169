-- beat.lua: a worker says that it lives.
--
-- KEYS  workers, steady, former, about, queue, delayed
-- ARGV  me, lease in ms, 1 to join, the worker's description (join only)
-- Returns {1 alive | 0 declared dead, now in ms}
--
-- "steady" holds since when this worker's beats have come without a gap. All
-- times are the broker's, so a broker that stood still is a gap for everybody.
local workers, steady, former, about, queue, delayed = unpack(KEYS)
local me, lease = ARGV[1], tonumber(ARGV[2])

-- A first write that frees memory lifts Redis's out-of-memory refusal for the
-- rest of the script: a full Redis must not make live workers look dead.
redis.call('ZREM', former, '')

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = redis.call('ZSCORE', workers, me)

if ARGV[3] == '1' then
  redis.call('HSET', about, me, ARGV[4])
  ends = nil
elseif not ends then
  -- Also after the broker has lost its data: what was taken since is in a list
  -- that nobody would visit otherwise.
  redis.call('ZADD', former, now, me)
  return {0, now}
end

-- Half a lease without a beat is a gap: nobody who beat just before the broker
-- stood still may judge those who were about to. So is a clock that was set back.
local since = redis.call('ZSCORE', steady, me)
if not ends or not since or now - (ends - lease) > lease / 2 or now < ends - lease or now < tonumber(since) then
  redis.call('ZADD', steady, now, me)
end
redis.call('ZADD', workers, now + lease, me)

local due = {}
local kind = redis.call('TYPE', queue).ok
if kind == 'none' or kind == 'list' then -- otherwise they wait until the queue is one
  due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, 100)
end
for _, raw in ipairs(due) do
  redis.call('ZREM', delayed, raw)
  redis.call('LPUSH', queue, raw)
end
return {1, now}
