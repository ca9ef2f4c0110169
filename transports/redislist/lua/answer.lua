-- answer.lua: acknowledges messages that are done and answers their callers in one step.
--
-- KEYS  backup, then reply lists
-- ARGV  for each of these lists: how many messages, its life in ms, and of each message: raw, reply;
--       then raw of each message that nobody waits for
-- Returns the exceptions: for each its position among the messages, from 1, and 0 not in the backup list (any more) or
-- 2 settled and its reply list refused.
--
-- It is what settle.lua does, for what nearly every message needs: that takes three times as long. Numbers are passed
-- on as strings, for Lua prints them as slowly as it can.
local backup = KEYS[1]
local exceptions = {}
local function except(position, result)
  exceptions[#exceptions + 1] = position
  exceptions[#exceptions + 1] = result
end

local i, position = 1, 0
for k = 2, #KEYS do
  local key, count, life = KEYS[k], tonumber(ARGV[i]), ARGV[i + 1]
  -- See may_answer in settle.lua.
  local ends = redis.call('PTTL', key)
  local refused = ends == -1 or (ends >= 0 and redis.call('TYPE', key).ok ~= 'list')
  local replies = {}
  for j = i + 2, i + 2 * count, 2 do
    position = position + 1
    if redis.call('LREM', backup, '-1', ARGV[j]) == 0 then
      except(position, 0)
    elseif refused then
      except(position, 2)
    else
      replies[#replies + 1] = ARGV[j + 1]
    end
  end
  if #replies > 0 then
    redis.call('LPUSH', key, unpack(replies))
    if ends < tonumber(life) then
      redis.call('PEXPIRE', key, life)
    end
  end
  i = i + 2 + 2 * count
end
for j = i, #ARGV do
  position = position + 1
  if redis.call('LREM', backup, '-1', ARGV[j]) == 0 then
    except(position, 0)
  end
end
return exceptions
