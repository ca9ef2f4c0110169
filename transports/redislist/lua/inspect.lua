-- inspect.lua: what people want to know of one service, at one moment. It writes nothing.
--
-- KEYS  workers, former, about, queue, delayed, retry, suspects, alone, dead, paused
-- ARGV  prefix of the backup lists
-- Returns {now in ms, 1 if paused, messages waiting, the beginning of the one that is next, in flight,
--          delayed, to be retried, suspects, dead letters, since when one of those delayed or to be retried is due or -1, then for each live worker its id and description}.
--
-- A number is -1 where the key holds something else: one foreign key must not hide
-- the rest from whoever looks for what is wrong.
local workers, former, about, queue, delayed, retry, suspects, alone, dead, paused = unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function size(command, key)
  local n = redis.pcall(command, key)
  if type(n) == 'number' then return n end
  return -1
end

-- The header says when a message was sent; the rest may be megabytes. A bare one
-- has no header, see frame.go.
local first = redis.pcall('LINDEX', queue, -1)
if type(first) ~= 'string' or string.find(string.sub(first, 1, 1), '[{%[%s]') then
  first = ''
end

-- What a dead worker has left behind is in flight until a live one gives it back.
local in_flight, counted, known = 0, {}, true
for _, key in ipairs({workers, former}) do
  local ids = redis.pcall('ZRANGE', key, 0, -1)
  known = known and not ids.err
  for _, id in ipairs(ids) do -- an error has none
    if not counted[id] then
      counted[id] = true
      in_flight = in_flight + math.max(0, size('LLEN', ARGV[1] .. id))
    end
  end
end
if not known then
  in_flight = -1
end

local suspected, single = size('LLEN', suspects), size('LLEN', alone)
if suspected >= 0 and single >= 0 then
  suspected = suspected + single
else
  suspected = -1
end

local overdue = -1
for _, key in ipairs({delayed, retry}) do
  local nearest = redis.pcall('ZRANGE', key, 0, 0, 'WITHSCORES')
  local due = tonumber(nearest[2]) -- an error has none
  if due and due <= now and (overdue < 0 or due < overdue) then
    overdue = due
  end
end

local out = {
  now, redis.call('EXISTS', paused), size('LLEN', queue), string.sub(first, 1, 32768), in_flight,
  size('ZCARD', delayed), size('ZCARD', retry), suspected, size('LLEN', dead), overdue,
}
for _, id in ipairs(redis.pcall('ZRANGEBYSCORE', workers, now, '+inf')) do
  local description = redis.pcall('HGET', about, id)
  out[#out + 1] = id
  out[#out + 1] = type(description) == 'string' and description or ''
end
return out
