-- ARGV: id, n, dispatch_ms, older_than_ms
local due = redis.call('ZSCORE', DISPATCH, member(ARGV[1], ARGV[2]))
if not due or tonumber(due) > now - tonumber(ARGV[4]) then return 0 end
if redis.call('EXISTS', JOB) == 0 then
  redis.call('ZREM', DISPATCH, member(ARGV[1], ARGV[2]))
  return 0
end
redis.call('ZADD', DISPATCH, now + tonumber(ARGV[3]), member(ARGV[1], ARGV[2]))
return 1
