-- settle.lua: acknowledges messages and answers their callers in one step.
--
-- KEYS  backup, queue, delayed, dead, then the reply lists in use
-- ARGV  for each message: raw, action, instead, delay in ms, index of its reply list in KEYS or 0,
--       life of that list in ms, reply, number of messages that follow, those messages
-- Returns for each message 1 settled, 0 not in the backup list (any more), 2 settled and its reply list refused.
--
-- Actions: "done" drops the message. The others put another in its place: "return"
-- at the front of the queue, "yield" at its end, "retry" there after the delay,
-- "bury" in the dead-letter list.
--
-- Only what was still in the own backup list is settled and answered: a worker
-- that was declared dead finds nothing there, so no request is answered twice.
local backup, queue, delayed, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local usable = {}

-- Before anything is taken out of a list, since nothing is rolled back.
for i, want in ipairs({'list', 'list', 'zset', 'list'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= want then
    return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is a ' .. kind)
  end
end

-- A reply list is a list, and one named by a bare request's id expires, since
-- every list that we make does: anything else is somebody's data.
local function may_answer(index)
  if usable[index] == nil then
    local key = KEYS[index]
    local kind = redis.call('TYPE', key).ok
    usable[index] = kind == 'none' or (kind == 'list' and redis.call('PTTL', key) >= 0)
  end
  return usable[index]
end

local results, lives = {}, {}
local i = 1
while i <= #ARGV do
  local raw, action, instead, delay = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local index, life, reply = tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]), ARGV[i + 6]
  local follow = tonumber(ARGV[i + 7])
  local result = 0
  if redis.call('LREM', backup, -1, raw) == 1 then
    result = 1
    if action == 'return' then
      redis.call('RPUSH', queue, instead)
    elseif action == 'yield' then
      redis.call('LPUSH', queue, instead)
    elseif action == 'retry' then
      local time = redis.call('TIME')
      redis.call('ZADD', delayed, time[1] * 1000 + math.floor(time[2] / 1000) + delay, instead)
    elseif action == 'bury' then
      redis.call('LPUSH', dead, instead)
    end
    for j = i + 8, i + 7 + follow do
      redis.call('LPUSH', queue, ARGV[j])
    end
    if index > 0 then
      if may_answer(index) then
        local key = KEYS[index]
        redis.call('LPUSH', key, reply)
        lives[key] = math.max(lives[key] or 0, life)
      else
        result = 2
      end
    end
  end
  results[#results + 1] = result
  i = i + 8 + follow
end

-- A list that was emptied has lost its expiry, so it is set with every reply.
for key, life in pairs(lives) do
  if redis.call('PTTL', key) < life then
    redis.call('PEXPIRE', key, life)
  end
end
return results
