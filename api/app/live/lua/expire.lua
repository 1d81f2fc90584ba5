-- ARGV: id, n, max_attempts
local id, n = ARGV[1], ARGV[2]
local ends = redis.call('ZSCORE', LEASES, member(id, n))
if not ends or tonumber(ends) > now then return {'skip', ''} end
if chunk('state', n) ~= 'running' then
  redis.call('ZREM', LEASES, member(id, n))
  return {'skip', ''}
end
local message = 'worker ' .. (chunk('owner', n) or '?') .. ' stopped reporting'
local verdict = settle_broken(id, n, tonumber(ARGV[3]), 0, message, 0)
return {verdict, finish_if_settled(id)}
