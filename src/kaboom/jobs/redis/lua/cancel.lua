-- ARGV: id
local id = ARGV[1]
local status = redis.call('HGET', JOB, 'status')
if not status then return '' end
if FINAL[status] then return status end
redis.call('HSET', JOB, 'cancel', '1')
local all = redis.call('HGETALL', CHUNKS)
for i = 1, #all, 2 do
  local n = string.match(all[i], '^state:(.+)$')
  if n and all[i + 1] == 'queued' then end_chunk(id, n, 'cancelled') end
end
if status ~= 'cancelling' then set_status('cancelling') end
finish_if_settled(id)
return redis.call('HGET', JOB, 'status')
