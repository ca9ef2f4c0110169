-- letters.lua: a page of the dead-letter list.
--
-- KEYS  dead
-- ARGV  where to begin, step, how many at most, how many bytes at most (the first may be longer)
-- Returns {where the next page begins, or 0 after the last one, the letters of this page}.
--
-- Places are counted from the end of the list, where the oldest letter is -1: a
-- letter that comes meanwhile, at the front, moves none. 0 stands for the newest.
-- Step 1 leads to older ones, -1 to newer ones.
local dead, step = KEYS[1], tonumber(ARGV[2])
local place = tonumber(ARGV[1])
local length = redis.call('LLEN', dead)
if place == 0 or place < -length and step > 0 then
  place = -length
end
local page, bytes = {0}, 0
while place < 0 and place >= -length do
  if #page > tonumber(ARGV[3]) or bytes >= tonumber(ARGV[4]) then
    page[1] = place
    break
  end
  local raw = redis.call('LINDEX', dead, place)
  page[#page + 1] = raw
  bytes = bytes + #raw
  place = place + step
end
return page
