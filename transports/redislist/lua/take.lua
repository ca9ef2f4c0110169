-- take.lua: moves what else waits into the own backup list.
--
-- KEYS  queue, backup
-- ARGV  how many at most, how many bytes at most (the first message may be longer)
-- Returns the messages, oldest first.
local taken, bytes = {}, 0
redis.call('LREM', KEYS[2], 1, '') -- lifts the out-of-memory refusal, see beat.lua
while #taken < tonumber(ARGV[1]) and bytes < tonumber(ARGV[2]) do
  local raw = redis.call('LMOVE', KEYS[1], KEYS[2], 'RIGHT', 'LEFT')
  if not raw then break end
  taken[#taken + 1] = raw
  bytes = bytes + #raw
end
return taken
