-- push.lua: puts requests into a queue, as many as it may hold.
--
-- KEYS  queue
-- ARGV  how many may wait there, then the requests
-- Returns {how many of them it took, the first ones; how many wait now}
--
-- One command writes, and it is the first: a full Redis takes all of it or nothing.
local waiting = redis.call('LLEN', KEYS[1])
local taken = math.max(0, math.min(tonumber(ARGV[1]) - waiting, #ARGV - 1))
if taken > 0 then
  waiting = redis.call('LPUSH', KEYS[1], unpack(ARGV, 2, taken + 1))
end
return {taken, waiting}
