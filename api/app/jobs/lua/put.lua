-- ARGV: id, dispatch_ms, newest_kept, job fields (JSON object), chunks (JSON array)
local id = ARGV[1]
if redis.call('EXISTS', JOB) == 1 then return 0 end
for key, value in pairs(cjson.decode(ARGV[4])) do redis.call('HSET', JOB, key, value) end
redis.call('HSET', JOB, 'updated_at', now, 'version', 1)
local is_cancelled = redis.call('HGET', JOB, 'status') == 'cancelling'
if is_cancelled then redis.call('HSET', JOB, 'cancel', '1') end
redis.call('LREM', NEWEST, 0, id)
redis.call('LPUSH', NEWEST, id)
redis.call('LTRIM', NEWEST, 0, tonumber(ARGV[3]) - 1)
redis.call('ZADD', ACTIVE, now, id)
emit('status', redis.call('HGET', JOB, 'status'))
for _, c in ipairs(cjson.decode(ARGV[5])) do
  if is_cancelled and c.state == 'queued' then c.state = 'cancelled' end
  add_chunk(id, c, tonumber(ARGV[2]))
end
finish_if_settled(id)
return 1
