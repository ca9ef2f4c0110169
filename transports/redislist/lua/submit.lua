-- submit.lua: sends a call whose reply is kept in a box.
--
-- KEYS  queue, box
-- ARGV  how many may wait in the queue, the call, what stands in the box until its reply has come, life of the box in ms
-- Returns 1 sent, 0 no room.
--
-- A box is a reply list that its caller makes; the reply goes in front of what stands there. Workers may lengthen the
-- life of a reply list and never shorten it, so this one lives as long as its caller says.
local queue, box = unpack(KEYS)
local most, raw, slip, life = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]

-- Before anything is written, since nothing is rolled back.
local kind = redis.call('TYPE', queue).ok
if kind ~= 'none' and kind ~= 'list' then
  return redis.error_reply('WRONGTYPE ' .. queue .. ' is a ' .. kind)
end
if redis.call('PTTL', box) ~= -2 then
  return 1 -- this very call was sent before, since no other has its box
end
if redis.call('LLEN', queue) >= most then
  return 0
end
redis.call('LPUSH', box, slip)
redis.call('PEXPIRE', box, life)
redis.call('LPUSH', queue, raw)
return 1
