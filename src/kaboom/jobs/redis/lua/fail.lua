-- ARGV: id, fence, error (JSON)
local id = ARGV[1]
if was_mine('plan', ARGV[2], 'dead') then return {'ok', 'dead', redis.call('HGET', JOB, 'status')} end
if not is_mine('plan', ARGV[2]) then
  give_back('plan', ARGV[2])
  return {'stale', '', ''}
end
end_run('plan', 'failed', '', 0)
end_chunk(id, 'plan', 'dead')
fail_job(id, ARGV[3])
return {'ok', 'dead', redis.call('HGET', JOB, 'status')}
