-- Asks for turns, keeps them and ends them, one call after the other, all in one trip.
-- ARGV: process, lease_ms, requests (0: no limit), window_ms, concurrency (0: no limit), poll_ms,
--   failures, first_pause_ms, longest_pause_ms; then of each call five words:
--   ask, nonce | keep, turn | settle, turn, verdict, pause_ms (-1: none was named), message
-- Returns of each call {word, turn or milliseconds, message}.
local me, lease_ms, requests, window_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local concurrency, poll, most_failures = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local first_pause_ms, longest_pause_ms = tonumber(ARGV[8]), tonumber(ARGV[9])
local FIRST, WORDS = 10, 5

local function wait_for_place()
  -- Who waits asks again within one and a half polls.
  redis.call('ZADD', WAITING, int(now + 2 * poll), me)
  return {'busy', int(poll), ''}
end

-- Whether this process has its share of the places while others wait. It asks again in the round trip that frees a
-- place, so without this the first to come would keep them all. Of fewer places than processes each is lent in turns.
local function has_its_share()
  redis.call('ZREMRANGEBYSCORE', WAITING, '-inf', now)
  local processes, count, mine = {[me] = true}, 1, 0
  local function see(process)
    if not processes[process] then processes[process], count = true, count + 1 end
  end
  for _, process in ipairs(redis.call('ZRANGE', WAITING, 0, -1)) do see(process) end
  if count == 1 then return false end
  for _, turn in ipairs(redis.call('ZRANGE', HELD, 0, -1)) do
    local process = string.match(turn, '^%d+:(%x+):')
    if process == me then mine = mine + 1 end
    if process then see(process) end
  end
  if count > concurrency then return state('last') == me end
  return mine >= math.ceil(concurrency / count)
end

-- Of a process that died, the request may have left until its lease ran out. Once a trip, and only before a question:
-- who keeps a turn late has it still where nobody has asked since.
local is_swept = false
local function drop_lapsed()
  if is_swept then return end
  is_swept = true
  local lapsed = redis.call('ZRANGEBYSCORE', HELD, '-inf', now, 'WITHSCORES')
  for i = 1, #lapsed, 2 do
    redis.call('ZREM', HELD, lapsed[i])
    redis.call('ZADD', RECENT, leaves_at(tonumber(lapsed[i + 1]), window_ms), lapsed[i])
  end
  redis.call('ZREMRANGEBYSCORE', RECENT, '-inf', now)
end

local function ask(nonce)
  drop_lapsed()
  local paused_until = num(state('paused_until'))
  if paused_until > now then return {'pause', int(paused_until - now), state('message') or ''} end
  local is_trial = num(state('pauses')) > 0
  if is_trial then
    local trial = state('trial')
    if trial and redis.call('ZSCORE', HELD, trial) then return {'busy', int(poll), ''} end
  end
  local held = redis.call('ZCARD', HELD)
  if concurrency > 0 and (held >= concurrency or has_its_share()) then return wait_for_place() end
  if requests > 0 then
    if held + redis.call('ZCARD', RECENT) >= requests then
      local first = redis.call('ZRANGE', RECENT, 0, 0, 'WITHSCORES')
      if not first[2] then return {'busy', int(poll), ''} end
      return {'pace', int(math.max(1, tonumber(first[2]) - now)), ''}
    end
    local next_at = num(state('next_at'))
    if next_at > now then return {'pace', int(next_at - now), ''} end
    redis.call('HSET', STATE, 'next_at', int(now + math.floor(window_ms / requests)))
  end
  local turn = int(num(state('epoch'))) .. ':' .. me .. ':' .. nonce
  redis.call('ZADD', HELD, int(now + lease_ms), turn)
  redis.call('ZREM', WAITING, me)
  redis.call('HSET', STATE, 'last', me)
  if is_trial then redis.call('HSET', STATE, 'trial', turn) end
  return {'ok', turn, ''}
end

local function keep(turn)
  redis.call('ZADD', HELD, 'XX', int(now + lease_ms), turn)
  return {'ok', '0', ''}
end

-- Returns how long a pause begins with this answer, 0 for none.
local function find_pause(turn, verdict, named, message)
  local pauses, epoch = num(state('pauses')), num(state('epoch'))
  -- A turn from before the last pause knows nothing of now; only a pause that it names counts, since it is a wish.
  if tonumber(string.match(turn, '^(%d+):')) ~= epoch then
    if verdict == 'limited' and named >= 0 and now + named > num(state('paused_until')) then
      redis.call('HSET', STATE, 'paused_until', int(now + named), 'message', message)
    end
    return 0
  end
  if verdict == 'answered' then
    redis.call('HSET', STATE, 'failures', 0, 'pauses', 0)
    return 0
  end
  if verdict == 'left' then return 0 end
  if verdict == 'failed' then
    local failures = redis.call('HINCRBY', STATE, 'failures', 1)
    if pauses == 0 and failures < most_failures then return 0 end
  end
  local pause = math.min(first_pause_ms * 2 ^ math.min(pauses, 30), longest_pause_ms)
  if named >= 0 then pause = named end
  redis.call('HSET', STATE, 'paused_until', int(now + pause), 'message', message, 'failures', 0,
    'pauses', int(pauses + 1), 'epoch', int(epoch + 1))
  return pause
end

local function settle(turn, verdict, pause_ms, message)
  redis.call('ZREM', HELD, turn)
  redis.call('ZADD', RECENT, leaves_at(now, window_ms), turn)
  if state('trial') == turn then redis.call('HDEL', STATE, 'trial') end
  return {'ok', int(find_pause(turn, verdict, tonumber(pause_ms), message)), ''}
end

local calls, answers = {ask = ask, keep = keep, settle = settle}, {}
for i = FIRST, #ARGV, WORDS do
  answers[#answers + 1] = calls[ARGV[i]](ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, KEPT_MS) end
return answers
