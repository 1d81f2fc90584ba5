-- ARGV: resend_ms, limit. The keys are those of a job without an id: JOB begins every job's key.
-- What is found stays here until it is claimed: the message sent for it may get lost with the worker that takes it.
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
