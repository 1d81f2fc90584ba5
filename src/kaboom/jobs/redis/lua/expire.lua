-- ARGV: id, n, max_attempts, fence, what was seen of the worker process
local id, n, fence = ARGV[1], ARGV[2], ARGV[4]
local ends = redis.call('ZSCORE', LEASES, member(id, n))
if not ends or tonumber(ends) > now then return {'skip', ''} end
if chunk('state', n) ~= 'running' then
  redis.call('ZREM', LEASES, member(id, n))
  return {'skip', ''}
end
-- What was seen is of the process that had this claim.
if not is_mine(n, fence) then return {'skip', ''} end
add_lapse(n, fence, ARGV[5])
end_run(n, 'expired', ARGV[5], 0)
local verdict = settle_broken(id, n, tonumber(ARGV[3]), 0, 0)
return {verdict, finish_if_settled(id)}
