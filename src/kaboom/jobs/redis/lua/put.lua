-- ARGV: id, dispatch_ms, newest_kept, job fields (JSON object), chunks (JSON array)
local id = ARGV[1]
if redis.call('EXISTS', JOB) == 1 then return 0 end
local fields = cjson.decode(ARGV[4])
local is_cancelled = fields.status == 'cancelling'
local record = {'updated_at', now, 'version', 1}
for key, value in pairs(fields) do
  record[#record + 1] = key
  record[#record + 1] = value
end
redis.call('HSET', JOB, unpack(record))
if is_cancelled then redis.call('HSET', JOB, 'cancel', '1') end
redis.call('LREM', NEWEST, 0, id)
redis.call('LPUSH', NEWEST, id)
redis.call('LTRIM', NEWEST, 0, tonumber(ARGV[3]) - 1)
redis.call('ZADD', ACTIVE, now, id)
emit('status', fields.status)
local waits = false
for _, c in ipairs(cjson.decode(ARGV[5])) do
  if is_cancelled and c.state == 'queued' then c.state = 'cancelled' end
  waits = waits or c.state == 'queued'
  add_chunk(id, c, tonumber(ARGV[2]))
end
if not waits then finish_if_settled(id) end
return 1
