-- ARGV: nonce, lease_ms, requests (0: no limit), window_ms, concurrency (0: no limit), poll_ms
local requests, window_ms, poll = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[6])
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
local concurrency = tonumber(ARGV[5])
if concurrency > 0 and held >= concurrency then return {'busy', int(poll), ''} end
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
local turn = int(num(state('epoch'))) .. ':' .. ARGV[1]
redis.call('ZADD', HELD, int(now + tonumber(ARGV[2])), turn)
if is_trial then redis.call('HSET', STATE, 'trial', turn) end
keep_for_a_day()
return {'ok', turn, ''}
