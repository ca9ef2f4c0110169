-- settle.lua: acknowledges messages and answers their callers in one step.
--
-- KEYS  backup, queue, suspects, alone, delayed, retry, dead, then the reply lists and the records of claimed messages in use
-- ARGV  for each message: raw, action, instead, delay in ms, index of its reply list in KEYS or 0, life of that list in ms,
--       reply, index of its record in KEYS or 0, the claim that stands there, life of the record in ms or 0 to drop the
--       claim, what to record, number of messages that follow, and of each: where to (queue, delayed, retry or dead), when
--       it is due in ms, raw
-- Returns for each message 1 settled, 0 not in the backup list (any more), 2 settled and its reply list refused.
--
-- Actions: "done" drops the message. The others put another in its place: "return"
-- where it is served next, "yield" where it is served last, "delay" and "retry" in
-- the queue after the delay, "bury" among the dead letters.
--
-- Only what was still in the own backup list is settled and answered: a worker
-- that was declared dead finds nothing there, so no request is answered twice.
local backup, queue, suspects, alone, delayed, retry, dead = unpack(KEYS, 1, 7)
local usable = {}

-- Only what these messages need: a foreign key must not stop all others.
local queues, needs = {[queue] = 'list', [suspects] = 'list', [alone] = 'list'}, {
  delay = {[delayed] = 'zset'}, retry = {[retry] = 'zset'}, bury = {[dead] = 'list'},
}
needs['return'], needs.yield, needs.queue, needs.delayed, needs.dead = queues, queues, queues, needs.delay, needs.bury
local wanted, n = {[backup] = 'list'}, 1
local function need(what)
  for key, want in pairs(needs[what] or {}) do
    wanted[key] = want
  end
end
while n <= #ARGV do
  need(ARGV[n + 1])
  for j = n + 12, n + 9 + 3 * tonumber(ARGV[n + 11]), 3 do
    need(ARGV[j])
  end
  n = n + 12 + 3 * tonumber(ARGV[n + 11])
end
local refusal = wrong_type(wanted)
if refusal then return refusal end

-- A reply list is a list, and one named by a bare request's id expires, since
-- every list that we make does: anything else is somebody's data.
local function may_answer(index)
  if usable[index] == nil then
    local key = KEYS[index]
    local kind = redis.call('TYPE', key).ok
    usable[index] = kind == 'none' or (kind == 'list' and redis.call('PTTL', key) >= 0)
  end
  return usable[index]
end

local function in_ms(delay)
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000) + delay
end

local results, lives = {}, {}
local i = 1
while i <= #ARGV do
  local raw, action, instead, delay = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local index, life, reply = tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]), ARGV[i + 6]
  local record, claim, record_life, recorded = tonumber(ARGV[i + 7]), ARGV[i + 8], tonumber(ARGV[i + 9]), ARGV[i + 10]
  local follow = tonumber(ARGV[i + 11])
  local result = 0
  if redis.call('LREM', backup, '-1', raw) == 1 then
    result = 1
    if action == 'return' then
      put(instead, queue, suspects, alone, 'RPUSH')
    elseif action == 'yield' then
      put(instead, queue, suspects, alone, 'LPUSH')
    elseif action == 'delay' or action == 'retry' then
      redis.call('ZADD', action == 'retry' and retry or delayed, in_ms(delay), instead)
    elseif action == 'bury' then
      redis.call('LPUSH', dead, instead)
    end
    for j = i + 12, i + 9 + 3 * follow, 3 do
      if ARGV[j] == 'queue' or ARGV[j] == 'dead' then
        redis.call('LPUSH', ARGV[j] == 'dead' and dead or queue, ARGV[j + 2])
      else
        redis.call('ZADD', ARGV[j] == 'retry' and retry or delayed, ARGV[j + 1], ARGV[j + 2])
      end
    end
    if record > 0 and redis.call('GET', KEYS[record]) == claim then
      if record_life > 0 then
        redis.call('SET', KEYS[record], recorded, 'PX', record_life)
      else
        redis.call('DEL', KEYS[record])
      end
    end
    if index > 0 then
      if may_answer(index) then
        local key = KEYS[index]
        redis.call('LPUSH', key, reply)
        lives[key] = math.max(lives[key] or 0, life)
      else
        result = 2
      end
    end
  end
  results[#results + 1] = result
  i = i + 12 + 3 * follow
end

-- A list that was emptied has lost its expiry, so it is set with every reply.
for key, life in pairs(lives) do
  if redis.call('PTTL', key) < life then
    redis.call('PEXPIRE', key, life)
  end
end
return results
