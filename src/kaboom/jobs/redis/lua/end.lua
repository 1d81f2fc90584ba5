-- ARGV: id, n, fence, ending, tally (JSON), max_attempts, delay_ms, message, pause_ms, reason of the run
local id, n, ending = ARGV[1], ARGV[2], ARGV[4]
local verdict, pause_ms = ending == 'failed' and 'dead' or ending, tonumber(ARGV[9])
if was_mine(n, ARGV[3], verdict) then
  return {'ok', verdict, redis.call('HGET', JOB, 'status'), chunk('runs', n) or '[]'}
end
if not is_mine(n, ARGV[3]) then
  give_back(n, ARGV[3])
  return {'stale', '', '', '[]'}
end
if n ~= 'plan' then account(n, ARGV[5]) end
-- A failover has lost the cancel that the worker had read: the reaper will repeat it.
if ending == 'cancelled' and redis.call('HGET', JOB, 'cancel') ~= '1' then ending = 'released' end
if ending == 'done' or ending == 'cancelled' then
  end_chunk(id, n, ending)
elseif (ending == 'released' or ending == 'waiting') and redis.call('HGET', JOB, 'cancel') == '1' then
  -- If it were queued again it would wait without end: a chunk of a cancelled job cannot be claimed.
  verdict, ending = 'cancelled', 'cancelled'
  end_chunk(id, n, verdict)
elseif ending == 'released' or ending == 'waiting' then
  redis.call('HINCRBY', CHUNKS, 'attempts:' .. n, -1)
  if ending == 'waiting' then redis.call('HINCRBY', CHUNKS, 'waits:' .. n, 1) end
  queue_again(id, n, pause_ms)
else
  redis.call('HSET', CHUNKS, 'raised:' .. n, ARGV[8])
  verdict = settle_broken(id, n, tonumber(ARGV[6]), tonumber(ARGV[7]), pause_ms)
end
local goes_on = chunk('state', n) == 'queued'
-- A chunk that waits for others of its job tries again each second: the job is not paused.
if pause_ms > 1000 and goes_on then note_pause(pause_ms, ARGV[8]) end
local runs = end_run(n, ending, ARGV[10], goes_on and pause_ms or 0)
return {'ok', verdict, finish_if_settled(id), cjson.encode(runs)}
