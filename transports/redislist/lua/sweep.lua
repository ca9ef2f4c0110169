-- sweep.lua: a live worker gives the messages of dead ones back.
--
-- KEYS  workers, steady, former, about, queue
-- ARGV  me, lease in ms, prefix of the backup lists, how many messages at most, how long former workers are kept in ms
-- Returns {workers declared dead, messages given back}, or {-1, 0} for a sweeper that may not judge.
--
-- Everything is checked here, at the moment of writing: a decision taken on an
-- older snapshot would take messages from workers that have since come back
-- (riverqueue/river#1302).
local workers, steady, former, about, queue = unpack(KEYS)
local me, lease, prefix, limit, kept = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])

redis.call('ZREM', former, '') -- see beat.lua
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Only one whose own beats came through for a whole lease may call others dead:
-- after a broker's standstill everybody's lease is over.
local ends, since = redis.call('ZSCORE', workers, me), redis.call('ZSCORE', steady, me)
if not ends or not since or now - (ends - lease) > lease / 2 or now - since < lease then
  return {-1, 0}
end

local dead = redis.call('ZRANGEBYSCORE', workers, '-inf', '(' .. now)
for _, id in ipairs(dead) do
  redis.call('ZREM', workers, id)
  redis.call('ZREM', steady, id)
  redis.call('HDEL', about, id)
  redis.call('ZADD', former, now, id)
end

-- A death is written into the message itself, which stays unparsed: even parsing
-- could be what kills (sidekiq#4859).
local function marked(raw)
  local deaths, rest = string.match(raw, '^Deaths: (%d+)\n(.*)$')
  if deaths then
    return 'Deaths: ' .. (deaths + 1) .. '\n' .. rest
  end
  if string.match(raw, '^%a[%w-]*: ') then
    return 'Deaths: 1\n' .. raw
  end
  return 'Deaths: 1\n\n' .. raw
end

-- Former workers are visited again for a while, since a move that was under way
-- can land in a list after it was emptied. Newest first, so that the oldest ends
-- up next in line.
local moved = 0
for _, id in ipairs(redis.call('ZRANGE', former, 0, -1)) do
  local backup = prefix .. id
  while moved < limit do
    local raw = redis.call('LPOP', backup)
    if not raw then break end
    redis.call('RPUSH', queue, marked(raw))
    moved = moved + 1
  end
end
if moved < limit then
  redis.call('ZREMRANGEBYSCORE', former, '-inf', now - kept)
end
return {#dead, moved}
