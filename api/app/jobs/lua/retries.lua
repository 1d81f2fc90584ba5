-- ARGV: dispatch_ms, limit
local found = redis.call('ZRANGEBYSCORE', RETRIES, 0, now, 'LIMIT', 0, tonumber(ARGV[2]))
for _, m in ipairs(found) do
  redis.call('ZREM', RETRIES, m)
  redis.call('ZADD', DISPATCH, now + tonumber(ARGV[1]), m)
end
return found
