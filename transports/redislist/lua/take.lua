-- take.lua: moves what else waits into the own backup list.
--
-- KEYS  queue, backup, workers
-- ARGV  how many at most, how many bytes at most (about; the first message may be longer)
-- Returns the messages, oldest first.
--
-- Nobody takes more than a fair share: of a burst that finds every worker idle,
-- the first would otherwise take all.
local queue, backup, workers = unpack(KEYS)
redis.call('LREM', backup, '1', '') -- lifts the out-of-memory refusal, see beat.lua
local share = math.ceil(redis.call('LLEN', queue) / math.max(1, redis.call('ZCARD', workers)))
local most, limit = math.min(tonumber(ARGV[1]), share), tonumber(ARGV[2])

-- move takes n messages at once, for LMOVE takes twice as long for each of them. They
-- are in the one list before they leave the other: what is refused in between, by
-- access control, must not be lost.
local taken, bytes = {}, 0
local function move(n)
  local some = redis.call('LRANGE', queue, string.format('-%d', n), '-1')
  local moved = {}
  for i = #some, 1, -1 do
    moved[#moved + 1] = some[i]
  end
  redis.call('LPUSH', backup, unpack(moved))
  local left = redis.pcall('LTRIM', queue, '0', string.format('-%d', #some + 1))
  if left.err then
    for _, raw in ipairs(moved) do
      redis.call('LREM', backup, '1', raw)
    end
    return left
  end
  for _, raw in ipairs(moved) do
    taken[#taken + 1] = raw
    bytes = bytes + #raw
  end
end

-- One first, and then as many as of its size make up the bytes.
while #taken < most and bytes < limit do
  local n = 1
  if bytes > 0 then
    n = math.floor((limit - bytes) / (bytes / #taken))
  end
  local refusal = move(math.max(1, math.min(n, most - #taken)))
  if refusal then return refusal end
end
return taken
