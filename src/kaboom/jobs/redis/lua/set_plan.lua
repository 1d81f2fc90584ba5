-- ARGV: id, fence, dispatch_ms, plan (JSON), chunks (JSON array), result (JSON or '')
local id = ARGV[1]
if was_mine('plan', ARGV[2], 'done') then return {'ok', '', finish_if_settled(id)} end
if not is_mine('plan', ARGV[2]) then
  give_back('plan', ARGV[2])
  return {'stale', '', ''}
end
redis.call('HSET', JOB, 'plan', ARGV[4])
if ARGV[6] ~= '' then redis.call('HSET', JOB, 'result', ARGV[6]) end
end_run('plan', 'done', '', 0)
end_chunk(id, 'plan', 'done')
local state = redis.call('HGET', JOB, 'cancel') == '1' and 'cancelled' or 'queued'
for _, c in ipairs(cjson.decode(ARGV[5])) do
  if c.state == 'queued' then c.state = state end
  add_chunk(id, c, tonumber(ARGV[3]))
end
emit_progress()
return {'ok', '', finish_if_settled(id)}
