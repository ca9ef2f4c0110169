-- take.lua: moves what else waits into the own backup list.
--
-- KEYS  queue, backup, workers
-- ARGV  how many at most, how many bytes at most (the first message may be longer)
-- Returns the messages, oldest first.
--
-- Nobody takes more than a fair share: of a burst that finds every worker idle,
-- the first would otherwise take all.
local queue, backup, workers = unpack(KEYS)
redis.call('LREM', backup, 1, '') -- lifts the out-of-memory refusal, see beat.lua
local share = math.ceil(redis.call('LLEN', queue) / math.max(1, redis.call('ZCARD', workers)))
local most = math.min(tonumber(ARGV[1]), share)
local taken, bytes = {}, 0
while #taken < most and bytes < tonumber(ARGV[2]) do
  local raw = redis.call('LMOVE', queue, backup, 'RIGHT', 'LEFT')
  if not raw then break end
  taken[#taken + 1] = raw
  bytes = bytes + #raw
end
return taken
