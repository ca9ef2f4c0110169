-- sweep.lua: a live worker gives the messages of dead ones back.
--
-- KEYS  workers, steady, former, about, queue, suspects, alone
-- ARGV  me, lease in ms, prefix of the backup lists, how many bytes at most, how long former workers are kept in ms
-- Returns {workers declared dead, messages given back, 1 if there are more}, or {-1, 0, 0} for a sweeper that may not judge.
--
-- Everything is checked here, at the moment of writing: a decision taken on an
-- older snapshot would take messages from workers that have since come back
-- (riverqueue/river#1302).
local workers, steady, former, about, queue, suspects, alone = unpack(KEYS)
local me, lease, prefix, limit, kept = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])

redis.call('ZREM', former, '') -- see beat.lua
local refusal = wrong_type({[queue] = 'list', [suspects] = 'list', [alone] = 'list'})
if refusal then return refusal end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Only one whose own beats came through for a whole lease may call others dead:
-- after a broker's standstill everybody's lease is over.
local ends, since = redis.call('ZSCORE', workers, me), redis.call('ZSCORE', steady, me)
if not ends or not since or now - (ends - lease) > lease / 2 or now - since < lease then
  return {-1, 0, 0}
end

-- The name by which people know a worker, from what it said of itself.
local function instance(id)
  local described = redis.call('HGET', about, id) or ''
  local _, from = string.find(described, '"instance":"', 1, true)
  local to = from and string.find(described, '"', from + 1, true)
  local name = to and string.sub(described, from + 1, to - 1) or ''
  if name == '' or string.find(name, '[%s\\]') then return id end
  return name
end

-- A lease that ends later than one begun now was given by a clock that has been set back since.
local dead = redis.call('ZRANGEBYSCORE', workers, '-inf', '(' .. now)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', workers, '(' .. (now + lease), '+inf')) do
  dead[#dead + 1] = id
end
local names = {}
for _, id in ipairs(dead) do
  names[id] = instance(id)
  redis.call('ZREM', workers, id)
  redis.call('ZREM', steady, id)
  redis.call('HDEL', about, id)
  redis.call('ZADD', former, now, id)
end

-- A death is written into the message itself, which stays unparsed: even parsing
-- could be what kills (sidekiq#4859). Patterns stay short, since the built-in
-- broker's matcher recurses for each byte.
local function marked(raw, id)
  local deaths, stop = deaths_of(raw)
  local mark = string.format('Deaths: %d\nHistory: %.0f died %s\n', math.min(deaths + 1, 999), now, names[id] or id)
  if stop > 0 then
    return mark .. string.sub(raw, stop + 1)
  end
  local first = string.sub(raw, 1, 1)
  if first == '' or string.find(first, '[{%[%s]') then -- bare, see frame.go
    return mark .. '\n' .. raw
  end
  return mark .. raw
end

-- Former workers are visited again for a while, since a move that was under way
-- can land in a list after it was emptied. Newest first, so that the oldest ends
-- up next in line.
local moved, bytes = 0, 0
for _, id in ipairs(redis.call('ZRANGE', former, 0, -1)) do
  while true do
    if bytes >= limit then
      return {#dead, moved, 1}
    end
    local raw = redis.call('LPOP', prefix .. id)
    if not raw then break end
    put(marked(raw, id), queue, suspects, alone, 'RPUSH')
    moved = moved + 1
    bytes = bytes + #raw
  end
end
redis.call('ZREMRANGEBYSCORE', former, '-inf', now - kept)
return {#dead, moved, 0}
