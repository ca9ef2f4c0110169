-- suspects.lua: where a message goes on. Put in front of the scripts that move messages.
--
-- A message that was running when a worker died says so in its first line. Such
-- messages wait apart from others: in "suspects", but in "alone" with most_deaths,
-- which stands in front of this file when it is run: one more is too many, and must
-- be nobody else's doing. With more they are in "suspects" again, to be given up.

-- Read alike by deathsOf in Go.
local function deaths_of(raw)
  local _, stop, deaths = string.find(raw, '^Deaths: (%d%d?%d?)\n')
  return tonumber(deaths or 0), stop or 0
end

-- put adds a message to its list, at the end that is served next, or at the other.
local function put(raw, queue, suspects, alone, command)
  local deaths = deaths_of(raw)
  local key = queue
  if deaths == most_deaths then
    key = alone
  elseif deaths > 0 then
    key = suspects
  end
  redis.call(command, key, raw)
end

-- Nothing that a script has done is rolled back, so types are checked first.
local function wrong_type(wanted)
  for key, want in pairs(wanted) do
    local kind = redis.call('TYPE', key).ok
    if kind ~= 'none' and kind ~= want then
      return redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. kind)
    end
  end
end
