-- ARGV: resend_ms, limit. The keys are those of a job with an empty id: JOB is the prefix of every job's key.
-- A chunk stays in this set until it is claimed: its message may be lost with the worker that takes it.
local may_run = redis.call('ZRANGEBYSCORE', RETRIES, '-inf', now, 'LIMIT', 0, tonumber(ARGV[2]))
local found = {}
for _, m in ipairs(may_run) do
  local status = redis.call('HGET', JOB .. string.match(m, '^[^|]*'), 'status')
  if status and not FINAL[status] then
    redis.call('ZADD', RETRIES, now + tonumber(ARGV[1]), m)
    found[#found + 1] = m
  else
    redis.call('ZREM', RETRIES, m)
  end
end
return found
