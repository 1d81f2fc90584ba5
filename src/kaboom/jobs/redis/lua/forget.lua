-- ARGV: id
local id = ARGV[1]
for _, field in ipairs(redis.call('HKEYS', CHUNKS)) do
  local n = string.match(field, '^state:(.+)$')
  if n then
    redis.call('ZREM', DISPATCH, member(id, n))
    redis.call('ZREM', LEASES, member(id, n))
    redis.call('ZREM', RETRIES, member(id, n))
  end
end
redis.call('DEL', JOB, CHUNKS, EVENTS, LOGS)
redis.call('LREM', NEWEST, 0, id)
redis.call('ZREM', ACTIVE, id)
return 1
