-- ARGV: id, n, owner, lease_ms, nonce
local id, n = ARGV[1], ARGV[2]
local job = redis.call('HMGET', JOB, 'status', 'cancel', 'task', 'request', 'plan', 'fence', 'paused_until', 'rate_at',
  'owner')
if not job[1] then return {'gone'} end
if FINAL[job[1]] then return {'stop'} end
local state = chunk('state', n)
if not state then return {'gone'} end
if is_final_chunk(state) then return {'duplicate'} end
if state == 'running' then
  -- The same call again, because the answer was lost: refused, it would wait until its own lease expires.
  local held = chunk('fence', n)
  if string.match(held, ':(.*)$') == ARGV[5] then
    local tally = chunk('tally', n) or '{}'
    local waits = num(chunk('waits', n))
    return {'ok', held, num(chunk('attempts', n)), chunk('spec', n), tally, job[3], job[4], job[5] or '', waits, job[9]}
  end
  -- Also after its lease has run out: only the reaper judges whether the worker process died.
  return {'busy'}
end
if job[2] == '1' then return {'stop'} end
local attempts = redis.call('HINCRBY', CHUNKS, 'attempts:' .. n, 1)
-- After a failover that lost the increment a counter alone could be given out twice; the nonce makes it unique.
local fence = int(math.max(num(job[6]) + 1, now))
redis.call('HSET', JOB, 'fence', fence)
fence = fence .. ':' .. ARGV[5]
redis.call('HSET', CHUNKS, 'state:' .. n, 'running', 'fence:' .. n, fence, 'owner:' .. n, ARGV[3])
begin_run(n, ARGV[3])
redis.call('ZREM', DISPATCH, member(id, n))
redis.call('ZREM', RETRIES, member(id, n))
redis.call('ZADD', LEASES, now + tonumber(ARGV[4]), member(id, n))
-- A restored job is already running; the items that it settled before must not count for the present rate.
local has_begun = redis.call('HSETNX', JOB, 'started_at', now) == 1
-- Nor must the time of a pause, which may have ended a little early.
local goes_on = num(job[7]) > num(job[8]) and num(job[7]) < now + 1000
if has_begun or goes_on then
  local settled = redis.call('HMGET', JOB, 'done', 'failed')
  redis.call('HSET', JOB, 'rate_at', now, 'rate_settled', num(settled[1]) + num(settled[2]))
end
if job[1] == 'queued' then set_status('running') end
local tally, waits = chunk('tally', n) or '{}', num(chunk('waits', n))
return {'ok', fence, attempts, chunk('spec', n), tally, job[3], job[4], job[5] or '', waits, job[9]}
