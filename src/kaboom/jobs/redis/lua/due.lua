-- ARGV: dispatch_ms, older_than_ms, limit. The keys are those of a job with an empty id: JOB is the prefix of every job's key.
local now_due = redis.call('ZRANGEBYSCORE', DISPATCH, '-inf', now - tonumber(ARGV[2]), 'LIMIT', 0, tonumber(ARGV[3]))
local found = {}
for _, m in ipairs(now_due) do
  if redis.call('EXISTS', JOB .. string.match(m, '^[^|]*')) == 1 then
    redis.call('ZADD', DISPATCH, now + tonumber(ARGV[1]), m)
    found[#found + 1] = m
  else
    redis.call('ZREM', DISPATCH, m)
  end
end
return found
