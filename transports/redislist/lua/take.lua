-- take.lua: moves what else waits into the own backup list.
--
-- KEYS  queue, backup, workers
-- ARGV  how many at most
-- Returns the messages, oldest first.
--
-- Nobody takes more than a fair share: of a burst that finds every worker idle,
-- the first would otherwise take all.
local queue, backup, workers = unpack(KEYS)
redis.call('LREM', backup, '1', '') -- lifts the out-of-memory refusal, see beat.lua
local share = math.ceil(redis.call('LLEN', queue) / math.max(1, redis.call('ZCARD', workers)))
local taken = redis.call('RPOP', queue, string.format('%d', math.min(tonumber(ARGV[1]), share)))
if not taken or #taken == 0 then return {} end

-- All at once: LMOVE for each of them would take twice as long.
local moved = redis.pcall('LPUSH', backup, unpack(taken))
if type(moved) == 'table' and moved.err then
  for i = #taken, 1, -1 do
    redis.call('RPUSH', queue, taken[i])
  end
  return moved
end
return taken
