-- ARGV: process, nonce, lease_ms, requests (0: no limit), window_ms, concurrency (0: no limit), poll_ms
local me, requests, window_ms, poll = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[7])

local function wait_for_place()
  -- Who waits asks again within one and a half polls.
  redis.call('ZADD', WAITING, int(now + 2 * poll), me)
  redis.call('PEXPIRE', WAITING, KEPT_MS)
  return {'busy', int(poll), ''}
end

-- Whether this process has its share of the places while others wait. It asks again in the round trip that frees a
-- place, so without this the first to come would keep them all. Of fewer places than processes each is lent in turns.
local function has_its_share(concurrency)
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

-- Of a process that died, the request may have left until its lease ran out.
local lapsed = redis.call('ZRANGEBYSCORE', HELD, '-inf', now, 'WITHSCORES')
for i = 1, #lapsed, 2 do
  redis.call('ZREM', HELD, lapsed[i])
  redis.call('ZADD', RECENT, leaves_at(tonumber(lapsed[i + 1]), window_ms), lapsed[i])
end
redis.call('ZREMRANGEBYSCORE', RECENT, '-inf', now)

local paused_until = num(state('paused_until'))
if paused_until > now then return {'pause', int(paused_until - now), state('message') or ''} end
local is_trial = num(state('pauses')) > 0
if is_trial then
  local trial = state('trial')
  if trial and redis.call('ZSCORE', HELD, trial) then return {'busy', int(poll), ''} end
end
local held = redis.call('ZCARD', HELD)
local concurrency = tonumber(ARGV[6])
if concurrency > 0 and (held >= concurrency or has_its_share(concurrency)) then return wait_for_place() end
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
local turn = int(num(state('epoch'))) .. ':' .. me .. ':' .. ARGV[2]
redis.call('ZADD', HELD, int(now + tonumber(ARGV[3])), turn)
redis.call('ZREM', WAITING, me)
redis.call('HSET', STATE, 'last', me)
if is_trial then redis.call('HSET', STATE, 'trial', turn) end
keep_for_a_day()
return {'ok', turn, ''}
