-- leave.lua: a worker that has drained says goodbye.
--
-- KEYS  workers, steady, former, about, backup, queue
-- ARGV  me
--
-- What is still in its list was never begun, and goes back to the front. It is
-- visited as a former worker all the same: a move that was under way on a broken
-- connection can land in its list after it left.
local workers, steady, former, about, backup, queue = unpack(KEYS)
redis.call('ZREM', workers, ARGV[1])
redis.call('ZREM', steady, ARGV[1])
redis.call('HDEL', about, ARGV[1])
local time = redis.call('TIME')
redis.call('ZADD', former, time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
local kind = redis.call('TYPE', queue).ok
while (kind == 'none' or kind == 'list') and redis.call('LMOVE', backup, queue, 'LEFT', 'RIGHT') do end
return 1
