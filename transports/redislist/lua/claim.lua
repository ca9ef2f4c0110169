-- claim.lua: a worker claims a message that must run effectively once.
--
-- KEYS  record, workers
-- ARGV  me, my claim, its life in ms
-- Returns {"mine"}, {"runs"} while a live worker has it, or {"kept", record}.
--
-- The record is P, the worker and its word while the message runs, then D and the
-- reply, or N where none was owed. The claim of a dead worker is nobody's.
local record, workers = unpack(KEYS)
redis.call('ZREM', workers, '') -- lifts the out-of-memory refusal, see beat.lua
local claim = ARGV[2]
local found = redis.call('GET', record)
if found and found ~= claim then -- otherwise the answer to this very claim was lost
  if string.sub(found, 1, 1) ~= 'P' then
    return {'kept', found}
  end
  -- A worker whose lease is over is alive until it is declared dead, see sweep.lua.
  if redis.call('ZSCORE', workers, string.sub(found, 2, (string.find(found, ' ', 1, true) or 1) - 1)) then
    return {'runs'}
  end
end
if not redis.call('ZSCORE', workers, ARGV[1]) then
  return {'runs'} -- the message is somebody else's by now
end
redis.call('SET', record, claim, 'PX', ARGV[3])
return {'mine'}
