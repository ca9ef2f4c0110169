-- unbury.lua: takes letters out of the dead-letter list.
--
-- KEYS  dead, queue
-- ARGV  for each letter: raw, and what goes into the queue in its place, or ''
-- Returns for each letter 1 or, where it was not there any more, 0.
--
-- What two people retry at the same time is found by one of them.
local dead, queue = KEYS[1], KEYS[2]
for _, key in ipairs(KEYS) do -- before anything is taken out, since nothing is rolled back
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= 'list' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. kind)
  end
end
local found = {}
for i = 1, #ARGV, 2 do
  -- From the end, where the oldest are, which go first. It frees memory, and so
  -- lifts the out-of-memory refusal, see beat.lua.
  found[#found + 1] = redis.call('LREM', dead, -1, ARGV[i])
  if found[#found] == 1 and ARGV[i + 1] ~= '' then
    redis.call('LPUSH', queue, ARGV[i + 1])
  end
end
return found
