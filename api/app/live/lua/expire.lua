-- ARGV: id, n, max_attempts
local id, n = ARGV[1], ARGV[2]
local ends = redis.call('ZSCORE', LEASES, member(id, n))
if not ends or tonumber(ends) > now then return {'skip', ''} end
if chunk('state', n) ~= 'running' then
  redis.call('ZREM', LEASES, member(id, n))
  return {'skip', ''}
end
redis.call('HINCRBY', CHUNKS, 'deaths:' .. n, 1)
redis.call('HSET', CHUNKS, 'died_in:' .. n, chunk('owner', n) or '?')
end_run(n, 'expired', '', 0)
local verdict = settle_broken(id, n, tonumber(ARGV[3]), 0, 0)
return {verdict, finish_if_settled(id)}
