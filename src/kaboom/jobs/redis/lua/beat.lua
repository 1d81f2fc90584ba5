-- ARGV: id, n, fence, lease_ms, tally (JSON)
local id, n = ARGV[1], ARGV[2]
if not is_mine(n, ARGV[3]) then
  give_back(n, ARGV[3])
  return 'lost'
end
redis.call('ZADD', LEASES, now + tonumber(ARGV[4]), member(id, n))
if n == 'plan' then redis.call('HSET', JOB, 'updated_at', now) else account(n, ARGV[5]) end
if now - num(redis.call('HGET', JOB, 'event_at')) >= 500 then
  redis.call('HSET', JOB, 'event_at', now)
  redis.call('HINCRBY', JOB, 'version', 1)
  emit_progress()
end
return redis.call('HGET', JOB, 'cancel') == '1' and 'cancel' or 'ok'
