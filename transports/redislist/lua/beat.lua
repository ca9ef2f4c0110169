-- beat.lua: a worker says that it lives, and learns what there is to know.
--
-- KEYS  workers, steady, former, about, turn, paused, cancelled, suspects, alone, delayed, retry
-- ARGV  me, lease in ms, 1 to join, the worker's description (join only)
-- Returns {1 alive | 0 declared dead, now in ms, 1 if paused, how many suspects, how many to run alone,
--          1 if delayed messages are due, ids of cancelled messages}
--
-- "steady" holds since when this worker's beats have come without a gap. All
-- times are the broker's, so a broker that stood still is a gap for everybody.
local workers, steady, former, about, turn, paused, cancelled, suspects, alone, delayed, retry = unpack(KEYS)
local me, lease = ARGV[1], tonumber(ARGV[2])

-- A first write that frees memory lifts Redis's out-of-memory refusal for the
-- rest of the script: a full Redis must not make live workers look dead.
redis.call('ZREM', former, '')

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = redis.call('ZSCORE', workers, me)

-- Where one of the keys is not what it should be, this fails, and before the beat
-- counts: a worker that never hears the answer must not look alive.
redis.call('ZREMRANGEBYSCORE', cancelled, '-inf', now)
local due = redis.call('ZCOUNT', delayed, '-inf', now) + redis.call('ZCOUNT', retry, '-inf', now)
local answer = {
  1, now, redis.call('EXISTS', paused), redis.call('LLEN', suspects), redis.call('LLEN', alone),
  due > 0 and 1 or 0, redis.call('ZRANGE', cancelled, 0, 999),
}

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
if redis.call('GET', turn) == me then
  redis.call('PEXPIRE', turn, lease)
end

return answer
