-- ARGV: id, completed_at. A failover may have taken back the end that the ledger has: then the job stays in ACTIVE.
if redis.call('HGET', JOB, 'completed_at') ~= ARGV[2] then return 0 end
return redis.call('ZREM', ACTIVE, ARGV[1])
