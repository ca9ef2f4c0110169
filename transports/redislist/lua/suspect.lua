-- suspect.lua: moves messages that are to be run with care into the own backup list.
--
-- KEYS  list, backup, workers, turn (where one may take only in one's turn)
-- ARGV  me, how many at most, how many bytes at most (the first message may be longer)
-- Returns the messages, oldest first.
--
-- Nothing is taken by a worker that was declared dead: it would not run it, and its
-- sweeper would count one more death.
local list, backup, workers, turn = unpack(KEYS)
redis.call('LREM', backup, 1, '') -- lifts the out-of-memory refusal, see beat.lua
local taken, bytes = {}, 0
local refusal = wrong_type({[list] = 'list', [backup] = 'list'})
if refusal then return refusal end
if not redis.call('ZSCORE', workers, ARGV[1]) or turn and redis.call('GET', turn) ~= ARGV[1] then
  return taken
end
while #taken < tonumber(ARGV[2]) and bytes < tonumber(ARGV[3]) do
  local raw = redis.call('LMOVE', list, backup, 'RIGHT', 'LEFT')
  if not raw then break end
  taken[#taken + 1] = raw
  bytes = bytes + #raw
end
return taken
