-- release.lua: lets another message with the same unique key be sent.
--
-- KEYS  claim of the unique key
-- ARGV  id of the message that is run or dropped
-- Returns 1 if the claim was its own. Another's is left alone.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
