-- suspect.lua: moves messages that are to be run with care into the own backup list.
--
-- KEYS  list, backup, turn
-- ARGV  how many at most, how many bytes at most (the first message may be longer), me to take only in one's turn
-- Returns the messages, oldest first.
local list, backup, turn = unpack(KEYS)
redis.call('LREM', backup, 1, '') -- lifts the out-of-memory refusal, see beat.lua
local taken, bytes = {}, 0
if ARGV[3] and redis.call('GET', turn) ~= ARGV[3] then
  return taken
end
while #taken < tonumber(ARGV[1]) and bytes < tonumber(ARGV[2]) do
  local raw = redis.call('LMOVE', list, backup, 'RIGHT', 'LEFT')
  if not raw then break end
  taken[#taken + 1] = raw
  bytes = bytes + #raw
end
return taken
