-- promote.lua: puts messages whose time has come into the queue.
--
-- KEYS  queue, suspects, alone, delayed, retry
-- ARGV  how many bytes at most
-- Returns 1 if more are due.
local queue, suspects, alone, delayed, retry = unpack(KEYS)
redis.call('ZREM', delayed, '') -- lifts the out-of-memory refusal, see beat.lua
local refusal = wrong_type({[queue] = 'list', [suspects] = 'list', [alone] = 'list'})
if refusal then return refusal end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local bytes = 0
for _, key in ipairs({retry, delayed}) do
  while true do
    if bytes >= tonumber(ARGV[1]) then
      return 1
    end
    local raw = redis.call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, 1)[1]
    if not raw then break end
    redis.call('ZREM', key, raw)
    put(raw, queue, suspects, alone, 'LPUSH')
    bytes = bytes + #raw + 1024 -- a message costs time beside its bytes
  end
end
return 0
