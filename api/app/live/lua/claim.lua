-- ARGV: id, n, owner, lease_ms, nonce, max_attempts
local id, n = ARGV[1], ARGV[2]
local job = redis.call('HMGET', JOB, 'status', 'cancel', 'task', 'request', 'plan', 'fence', 'paused_until', 'rate_at',
  'owner')
if not job[1] then return {'gone'} end
if FINAL[job[1]] then return {'stop'} end
local state = chunk('state', n)
if not state then return {'gone'} end
if is_final_chunk(state) then return {'duplicate'} end
if state == 'running' then
  -- The same call again, after an answer that got lost: refused, it would wait for its own lease to run out.
  local held = chunk('fence', n)
  if string.match(held, ':(.*)$') == ARGV[5] then
    local tally = chunk('tally', n) or '{}'
    local waits = num(chunk('waits', n))
    return {'ok', held, num(chunk('attempts', n)), chunk('spec', n), tally, job[3], job[4], job[5] or '', waits, job[9]}
  end
  local ends = redis.call('ZSCORE', LEASES, member(id, n))
  if ends and tonumber(ends) > now then return {'busy'} end
  -- A last attempt that ran out is the reaper's to bury.
  if num(chunk('attempts', n)) >= tonumber(ARGV[6]) then return {'busy'} end
end
if job[2] == '1' then return {'stop'} end
local attempts = redis.call('HINCRBY', CHUNKS, 'attempts:' .. n, 1)
-- A counter alone could be handed out twice after a failover that lost the increment; the nonce settles a tie.
local fence = int(math.max(num(job[6]) + 1, now))
redis.call('HSET', JOB, 'fence', fence)
fence = fence .. ':' .. ARGV[5]
redis.call('HSET', CHUNKS, 'state:' .. n, 'running', 'fence:' .. n, fence, 'owner:' .. n, ARGV[3])
begin_run(n, ARGV[3])
redis.call('ZREM', DISPATCH, member(id, n))
redis.call('ZREM', RETRIES, member(id, n))
redis.call('ZADD', LEASES, now + tonumber(ARGV[4]), member(id, n))
-- A job that was restored is running already, and what it settled before is no speed of now.
local has_begun = redis.call('HSETNX', JOB, 'started_at', now) == 1
-- Nor is what a pause took; its end may have come a little early.
local goes_on = num(job[7]) > num(job[8]) and num(job[7]) < now + 1000
if has_begun or goes_on then
  local settled = redis.call('HMGET', JOB, 'done', 'failed')
  redis.call('HSET', JOB, 'rate_at', now, 'rate_settled', num(settled[1]) + num(settled[2]))
end
if job[1] == 'queued' then set_status('running') end
local tally, waits = chunk('tally', n) or '{}', num(chunk('waits', n))
return {'ok', fence, attempts, chunk('spec', n), tally, job[3], job[4], job[5] or '', waits, job[9]}
