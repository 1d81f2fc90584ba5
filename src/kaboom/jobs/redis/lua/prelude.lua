-- Shared by every script: the time is that of Redis (workers' clocks differ), counters come from absolute tallies
-- (a repeated call counts once), and a job becomes final only here.
local JOB, CHUNKS, EVENTS, NEWEST = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ACTIVE, DISPATCH, LEASES, RETRIES = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local LOGS, CHANGES = KEYS[9], KEYS[10]
local DAY_S = 86400
local FINAL = {completed = 1, partial = 1, failed = 1, cancelled = 1}

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Without a format Lua would print 1.79e12.
local function int(x) return string.format('%.0f', x) end
local function num(x) return tonumber(x or 0) or 0 end
local function member(id, n) return id .. '|' .. n end
local function chunk(field, n) return redis.call('HGET', CHUNKS, field .. ':' .. n) end

local function emit(kind, data)
  redis.call('XADD', EVENTS, 'MAXLEN', '~', 500, '*', 't', kind, 'd', data)
  redis.call('XADD', CHANGES, 'MAXLEN', '~', 5000, '*', 't', kind, 'd', JOB)
end

local function emit_progress()
  local h = redis.call('HMGET', JOB, 'done', 'failed', 'total')
  emit('progress', num(h[1]) .. '/' .. num(h[2]) .. '/' .. num(h[3]))
end

local function set_status(status)
  redis.call('HSET', JOB, 'status', status, 'updated_at', now)
  redis.call('HINCRBY', JOB, 'version', 1)
  emit('status', status)
end

local function add_difference(prefix, new, old)
  for key, value in pairs(new) do
    local d = value - num(old[key])
    if d ~= 0 then redis.call('HINCRBY', JOB, prefix .. key, int(d)) end
  end
  for key, value in pairs(old) do
    if not new[key] and value ~= 0 then redis.call('HINCRBY', JOB, prefix .. key, int(-value)) end
  end
end

-- Items settled per second, smoothed over about ten seconds, and how much that varies.
-- Mirrors kaboom.jobs.model.Pace.after.
local function update_rate()
  local h = redis.call('HMGET', JOB, 'done', 'failed', 'rate', 'rate_at', 'rate_settled', 'started_at', 'rate_spread')
  local settled, at = num(h[1]) + num(h[2]), num(h[4] or h[6] or now)
  local elapsed = now - at
  if elapsed < 500 then return end
  local seconds, items = elapsed / 1000, settled - num(h[5])
  local rate = items / seconds
  if h[3] then
    local weight = 1 - math.exp(-seconds / 10)
    local surprise = (items - num(h[3]) * seconds) ^ 2 / seconds
    local spread = h[7] and (num(h[7]) + weight * (surprise - num(h[7]))) or surprise
    rate = num(h[3]) + weight * (rate - num(h[3]))
    redis.call('HSET', JOB, 'rate_spread', string.format('%.6g', spread))
  end
  redis.call('HSET', JOB, 'rate', string.format('%.4f', rate), 'rate_at', now, 'rate_settled', settled)
end

local function account(n, json)
  local new, stored = cjson.decode(json), chunk('tally', n)
  local old = stored and cjson.decode(stored) or {}
  for _, key in ipairs({'done', 'failed', 'written', 'rows'}) do
    local d = num(new[key]) - num(old[key])
    if d ~= 0 then redis.call('HINCRBY', JOB, key, int(d)) end
  end
  add_difference('outcome:', new.outcomes or {}, old.outcomes or {})
  add_difference('count:', new.counts or {}, old.counts or {})
  if (new.cause or '') ~= '' then redis.call('HSETNX', JOB, 'cause', new.cause) end
  redis.call('HSET', CHUNKS, 'tally:' .. n, json)
  redis.call('HSET', JOB, 'updated_at', now)
  update_rate()
end

local function tally_of(n)
  local stored = chunk('tally', n)
  return stored and cjson.decode(stored) or {}
end

local function cursor(n) return num(tally_of(n).cursor) end

-- The leases that were taken back and count as attempts; mirrors kaboom.jobs.redis.store.Lapse.
local function lapses_of(n)
  local stored = chunk('lapses', n)
  return stored and cjson.decode(stored) or {}
end

local function add_lapse(n, fence, seen)
  local lapses = lapses_of(n)
  lapses[#lapses + 1] = {fence = fence, owner = chunk('owner', n) or '?', seen = seen}
  redis.call('HSET', CHUNKS, 'lapses:' .. n, cjson.encode(lapses))
end

-- Mirrors kaboom.jobs.redis.store.describe_lapses.
local function describe_lapses(n)
  local count, last, order = {}, {}, {}
  for _, lapse in ipairs(lapses_of(n)) do
    if not count[lapse.seen] then order[#order + 1] = lapse.seen end
    count[lapse.seen], last[lapse.seen] = (count[lapse.seen] or 0) + 1, lapse.owner
  end
  for i, seen in ipairs(order) do
    order[i] = 'in ' .. count[seen] .. ' of ' .. num(chunk('attempts', n)) .. ' attempts ' .. seen ..
      ' (last: ' .. last[seen] .. ')'
  end
  return table.concat(order, '; ')
end

-- Why the attempts of a chunk failed: the last error of its handler, and what was seen of its worker processes.
local function cause_of(n)
  local raised, lapsed = chunk('raised', n) or '', describe_lapses(n)
  if lapsed == '' then return raised end
  return raised == '' and lapsed or raised .. '; ' .. lapsed
end

-- Mirrors kaboom.jobs.model.describe_given_up.
local function describe_given_up(attempts, cause)
  local text = 'given up after ' .. attempts .. (attempts == 1 and ' attempt' or ' attempts')
  return cause == '' and text or text .. ': ' .. cause
end

local function is_final_chunk(state) return state == 'done' or state == 'dead' or state == 'cancelled' end

local function runs_of(n)
  local stored = chunk('runs', n)
  return stored and cjson.decode(stored) or {}
end

-- A run lasts from the claim of a chunk to its end; the newest 20 are kept, and kaboom.jobs.runs reads them.
local function end_run(n, ending, reason, pause_ms)
  local runs = runs_of(n)
  local last = runs[#runs]
  if not last or last.ended_at then return runs end
  local tally = tally_of(n)
  last.ended_at, last.ending = now, ending
  last.settled = num(tally.cursor) - last.settled_before
  last.failed = num(tally.failed) - last.failed_before
  if reason ~= '' then last.reason = reason end
  if pause_ms > 0 then last.paused_until = now + pause_ms end
  redis.call('HSET', CHUNKS, 'runs:' .. n, cjson.encode(runs))
  return runs
end

local function begin_run(n, worker)
  local runs = runs_of(n)
  local last, tally = runs[#runs], tally_of(n)
  runs[#runs + 1] = {run = (last and last.run or 0) + 1, worker = worker, started_at = now,
    settled_before = num(tally.cursor), failed_before = num(tally.failed)}
  if #runs > 20 then table.remove(runs, 1) end
  redis.call('HSET', CHUNKS, 'runs:' .. n, cjson.encode(runs))
end

-- Every chunk ends exactly once, here.
local function end_chunk(id, n, state)
  redis.call('HSET', CHUNKS, 'state:' .. n, state)
  redis.call('ZREM', LEASES, member(id, n))
  redis.call('ZREM', DISPATCH, member(id, n))
  redis.call('ZREM', RETRIES, member(id, n))
  redis.call('HINCRBY', JOB, 'version', 1)
  if n == 'plan' then return end
  redis.call('HINCRBY', JOB, 'chunks_done', 1)
  local rest = num(chunk('size', n)) - cursor(n)
  if state == 'cancelled' and rest > 0 then redis.call('HINCRBY', JOB, 'cancelled', int(rest)) end
  if state == 'dead' then
    redis.call('HINCRBY', JOB, 'dead', 1)
    if rest > 0 then
      -- A chunk that was restored from the ledger has the cause in its tally.
      local cause = chunk('error', n) or cjson.decode(chunk('tally', n) or '{}').cause or ''
      if cause ~= '' then redis.call('HSETNX', JOB, 'dead_cause', cause) end
      redis.call('HINCRBY', JOB, 'failed', int(rest))
      redis.call('HINCRBY', JOB, 'outcome:' .. (redis.call('HGET', JOB, 'lost_item') or 'lost'), int(rest))
    end
  end
end

local function close_job(id, status)
  redis.call('HSET', JOB, 'completed_at', now)
  set_status(status)
  redis.call('EXPIRE', JOB, 30 * DAY_S)
  redis.call('EXPIRE', CHUNKS, 7 * DAY_S)
  redis.call('EXPIRE', EVENTS, 7 * DAY_S)
  redis.call('EXPIRE', LOGS, 7 * DAY_S)
end

-- Mirrors kaboom.jobs.model.describe_failed_items.
local function describe_failed_items()
  local h = redis.call('HMGET', JOB, 'failed', 'total', 'dead_cause', 'cause')
  local text = num(h[1]) .. ' of ' .. num(h[2]) .. ' items failed'
  local cause = h[3] or h[4]
  return cjson.encode({type = 'items_failed', message = cause and text .. '; first cause: ' .. cause or text})
end

-- Mirrors kaboom.jobs.model.settle_status.
local function finish_if_settled(id)
  local h = redis.call('HMGET', JOB, 'chunks_done', 'chunks_total', 'failed', 'written', 'cancel', 'status')
  if FINAL[h[6]] then return h[6] end
  if not is_final_chunk(chunk('state', 'plan')) or num(h[1]) < num(h[2]) then return '' end
  local status = 'completed'
  if h[5] == '1' then status = 'cancelled'
  elseif num(h[3]) > 0 then
    status = num(h[4]) > 0 and 'partial' or 'failed'
    redis.call('HSET', JOB, 'error', describe_failed_items())
  end
  close_job(id, status)
  return status
end

local function fail_job(id, error_json)
  if redis.call('HGET', JOB, 'cancel') == '1' then return close_job(id, 'cancelled') end
  redis.call('HSET', JOB, 'error', error_json)
  close_job(id, 'failed')
end

-- A running chunk goes back to the queue. Its message was consumed: the reaper sends a new one when it may run.
local function queue_again(id, n, delay_ms)
  redis.call('HSET', CHUNKS, 'state:' .. n, 'queued')
  redis.call('ZREM', LEASES, member(id, n))
  redis.call('ZADD', RETRIES, now + delay_ms, member(id, n))
end

-- Record until when chunks wait for a provider, and why. The latest end counts, and watchers get a new event only when
-- it moves by more than a second: the chunks of a job come back one after the other.
local function note_pause(pause_ms, reason)
  local ends = now + pause_ms
  if ends <= num(redis.call('HGET', JOB, 'paused_until')) + 1000 then return end
  redis.call('HSET', JOB, 'paused_until', int(ends), 'pause_reason', reason, 'updated_at', now)
  redis.call('HINCRBY', JOB, 'version', 1)
  emit('paused', int(ends))
end

-- A chunk that was running and did not end: cancelled, dead, or queued again after delay_ms times its attempts,
-- not before a pause is over.
local function settle_broken(id, n, max_attempts, delay_ms, pause_ms)
  if redis.call('HGET', JOB, 'cancel') == '1' then
    end_chunk(id, n, 'cancelled')
    return 'cancelled'
  end
  if num(chunk('attempts', n)) < max_attempts then
    queue_again(id, n, math.max(delay_ms * num(chunk('attempts', n)), pause_ms))
    return 'queued'
  end
  local cause = cause_of(n)
  redis.call('HSET', CHUNKS, 'error:' .. n, describe_given_up(num(chunk('attempts', n)), cause))
  end_chunk(id, n, 'dead')
  if n == 'plan' then fail_job(id, cjson.encode({type = 'plan_failed', message = cause})) end
  return 'dead'
end

local function add_chunk(id, c, dispatch_ms)
  local n = c.n
  redis.call('HSET', CHUNKS, 'state:' .. n, 'queued', 'size:' .. n, c.size, 'spec:' .. n, c.spec,
    'attempts:' .. n, c.attempts)
  if c.runs then redis.call('HSET', CHUNKS, 'runs:' .. n, c.runs) end
  if n ~= 'plan' then
    redis.call('HINCRBY', JOB, 'chunks_total', 1)
    redis.call('HINCRBY', JOB, 'total', c.size)
    account(n, c.tally)
  end
  if c.state == 'queued' then
    redis.call('ZADD', DISPATCH, now + dispatch_ms, member(id, n))
  else
    end_chunk(id, n, c.state)
  end
end

-- Whether a fence is valid: the chunk runs under exactly this claim.
local function is_mine(n, fence)
  local h = redis.call('HMGET', CHUNKS, 'state:' .. n, 'fence:' .. n)
  return h[1] == 'running' and h[2] == fence
end

-- The process whose lease was taken back is here again, so it had not died: its attempt is not counted. The bound is
-- kaboom.jobs.redis.store.MOST_RETURNS.
local function give_back(n, fence)
  local state, kept = chunk('state', n), {}
  if not state or is_final_chunk(state) then return end
  local lapses = lapses_of(n)
  for _, lapse in ipairs(lapses) do
    if lapse.fence ~= fence then kept[#kept + 1] = lapse end
  end
  if #kept == #lapses or num(chunk('returns', n)) >= 10 then return end
  redis.call('HSET', CHUNKS, 'lapses:' .. n, cjson.encode(kept))
  redis.call('HINCRBY', CHUNKS, 'returns:' .. n, 1)
  redis.call('HINCRBY', CHUNKS, 'attempts:' .. n, -1)
end

-- Whether this is the same call again, because the answer was lost: exactly this claim has ended in this way.
local function was_mine(n, fence, ending)
  local h = redis.call('HMGET', CHUNKS, 'state:' .. n, 'fence:' .. n)
  return h[1] == ending and h[2] == fence
end
