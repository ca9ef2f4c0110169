-- turn.lua: one worker at a time empties itself to run a message alone.
--
-- KEYS  turn, workers
-- ARGV  me, lease in ms; 0 to give the turn up
-- Returns 1 if the turn is, or was, the caller's.
local turn, workers = unpack(KEYS)
local mine = redis.call('GET', turn) == ARGV[1]
if ARGV[2] == '0' then
  if mine then redis.call('DEL', turn) end
  return mine and 1 or 0
end
redis.call('ZREM', workers, '') -- lifts the out-of-memory refusal, see beat.lua
if mine or redis.call('SET', turn, ARGV[1], 'NX', 'PX', ARGV[2]) then
  return 1
end
return 0
