-- leave.lua: a worker that has drained says goodbye.
--
-- KEYS  workers, steady, former, about, backup, queue, suspects, alone, turn
-- ARGV  me
--
-- What is still in its list was never begun, and goes back to where it is served
-- next. It is visited as a former worker all the same: a move that was under way
-- on a broken connection can land in its list after it left.
local workers, steady, former, about, backup, queue, suspects, alone, turn = unpack(KEYS)
redis.call('ZREM', workers, ARGV[1])
redis.call('ZREM', steady, ARGV[1])
redis.call('HDEL', about, ARGV[1])
local time = redis.call('TIME')
redis.call('ZADD', former, time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
if redis.call('GET', turn) == ARGV[1] then
  redis.call('DEL', turn)
end
if not wrong_type({[queue] = 'list', [suspects] = 'list', [alone] = 'list'}) then
  while true do
    local raw = redis.call('LPOP', backup)
    if not raw then break end
    put(raw, queue, suspects, alone, 'RPUSH')
  end
end
return 1
