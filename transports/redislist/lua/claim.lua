-- claim.lua: a worker claims a message that must run effectively once.
--
-- KEYS  record, workers
-- ARGV  me, a word of my own for this claim, life of the claim in ms
-- Returns {"mine"}, {"runs"} while a live worker has it, or {"kept", record}.
--
-- The record is P, the worker and its word while the message runs, then D and the
-- reply, or N where none was owed. The claim of a dead worker is nobody's.
local record, workers = unpack(KEYS)
redis.call('ZREM', workers, '') -- lifts the out-of-memory refusal, see beat.lua
local claim = 'P' .. ARGV[1] .. ' ' .. ARGV[2]
local found = redis.call('GET', record)
if found and found ~= claim then -- otherwise the answer to this very claim was lost
  if string.sub(found, 1, 1) ~= 'P' then
    return {'kept', found}
  end
  local owner = string.sub(found, 2, (string.find(found, ' ', 1, true) or 1) - 1)
  local time = redis.call('TIME')
  local ends = redis.call('ZSCORE', workers, owner)
  if ends and tonumber(ends) >= time[1] * 1000 + math.floor(time[2] / 1000) then
    return {'runs'}
  end
end
redis.call('SET', record, claim, 'PX', ARGV[3])
return {'mine'}
