-- unique.lua: sends a message, unless one with the same key waits.
--
-- KEYS  claim of the unique key, queue, delayed where it is due later
-- ARGV  id of the message, life of the claim in ms, when it is due in ms (0: now), how many may wait in the queue, the message
-- Returns 1 sent, 2 dropped, 0 no room.
--
-- The claim is given up by release.lua when the message is run or dropped. Its
-- life bounds how long one stands of which nobody knows any more.
local claim, queue, delayed = unpack(KEYS)
local id, life, due, most, raw = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]

-- Before anything is written, since nothing is rolled back.
local want = {'string', 'list', 'zset'}
for i, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= want[i] then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. kind)
  end
end
if redis.call('EXISTS', claim) == 1 then
  return 2
end
if due == 0 and redis.call('LLEN', queue) >= most then
  return 0
end
redis.call('SET', claim, id, 'PX', life)
if due == 0 then
  redis.call('LPUSH', queue, raw)
else
  redis.call('ZADD', delayed, due, raw)
end
return 1
