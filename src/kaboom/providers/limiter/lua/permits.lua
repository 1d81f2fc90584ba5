-- Acquires, renews and releases permits, one call after the other, all in one round trip.
-- ARGV: process, lease_ms, requests (0: no limit), window_ms, concurrency (0: no limit), poll_ms,
--   failures, first_pause_ms, longest_pause_ms; then five words for each call:
--   acquire, nonce | renew, permit | release, permit, result, pause_ms (-1: none was named), message
-- Returns for each call {word, permit or milliseconds, message}.
local me, lease_ms, requests, window_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local concurrency, poll, most_failures = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local first_pause_ms, longest_pause_ms = tonumber(ARGV[8]), tonumber(ARGV[9])
local FIRST, WORDS = 10, 5

local function wait_for_slot()
  -- A waiting process asks again within one and a half polls.
  redis.call('ZADD', WAITING, int(now + 2 * poll), me)
  return {'busy', int(poll), ''}
end

-- Whether this process has its share of the slots while others wait. It asks again in the round trip that frees a
-- slot, so without this the first process would keep them all. If there are fewer slots than processes, they rotate.
local function has_its_share()
  redis.call('ZREMRANGEBYSCORE', WAITING, '-inf', now)
  local processes, count, mine = {[me] = true}, 1, 0
  local function see(process)
    if not processes[process] then processes[process], count = true, count + 1 end
  end
  for _, process in ipairs(redis.call('ZRANGE', WAITING, 0, -1)) do see(process) end
  if count == 1 then return false end
  for _, permit in ipairs(redis.call('ZRANGE', HELD, 0, -1)) do
    local process = string.match(permit, '^%d+:(%x+):')
    if process == me then mine = mine + 1 end
    if process then see(process) end
  end
  if count > concurrency then return state('last') == me end
  return mine >= math.ceil(concurrency / count)
end

-- The request of a dead process may have been sent until its lease expired. Runs once a trip, and only before an
-- acquire: a permit that is renewed late is still valid if nobody has asked since.
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

local function acquire(nonce)
  drop_lapsed()
  local paused_until = num(state('paused_until'))
  if paused_until > now then return {'pause', int(paused_until - now), state('message') or ''} end
  local is_trial = num(state('pauses')) > 0
  if is_trial then
    local trial = state('trial')
    if trial and redis.call('ZSCORE', HELD, trial) then return {'busy', int(poll), ''} end
  end
  local held = redis.call('ZCARD', HELD)
  if concurrency > 0 and (held >= concurrency or has_its_share()) then return wait_for_slot() end
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
  local permit = int(num(state('epoch'))) .. ':' .. me .. ':' .. nonce
  redis.call('ZADD', HELD, int(now + lease_ms), permit)
  redis.call('ZREM', WAITING, me)
  redis.call('HSET', STATE, 'last', me)
  if is_trial then redis.call('HSET', STATE, 'trial', permit) end
  return {'ok', permit, ''}
end

local function renew(permit)
  redis.call('ZADD', HELD, 'XX', int(now + lease_ms), permit)
  return {'ok', '0', ''}
end

-- Returns the length of the pause that this result begins, 0 for none.
local function find_pause(permit, result, named, message)
  local pauses, epoch = num(state('pauses')), num(state('epoch'))
  -- A permit from before the last pause says nothing about now; only a pause that the provider named counts.
  if tonumber(string.match(permit, '^(%d+):')) ~= epoch then
    if result == 'limited' and named >= 0 and now + named > num(state('paused_until')) then
      redis.call('HSET', STATE, 'paused_until', int(now + named), 'message', message)
    end
    return 0
  end
  if result == 'answered' then
    redis.call('HSET', STATE, 'failures', 0, 'pauses', 0)
    return 0
  end
  if result == 'unknown' then return 0 end
  if result == 'failed' then
    local failures = redis.call('HINCRBY', STATE, 'failures', 1)
    if pauses == 0 and failures < most_failures then return 0 end
  end
  local pause = math.min(first_pause_ms * 2 ^ math.min(pauses, 30), longest_pause_ms)
  if named >= 0 then pause = named end
  redis.call('HSET', STATE, 'paused_until', int(now + pause), 'message', message, 'failures', 0,
    'pauses', int(pauses + 1), 'epoch', int(epoch + 1))
  return pause
end

local function release(permit, result, pause_ms, message)
  redis.call('ZREM', HELD, permit)
  redis.call('ZADD', RECENT, leaves_at(now, window_ms), permit)
  if state('trial') == permit then redis.call('HDEL', STATE, 'trial') end
  return {'ok', int(find_pause(permit, result, tonumber(pause_ms), message)), ''}
end

local calls, answers = {acquire = acquire, renew = renew, release = release}, {}
for i = FIRST, #ARGV, WORDS do
  answers[#answers + 1] = calls[ARGV[i]](ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, KEPT_MS) end
return answers
