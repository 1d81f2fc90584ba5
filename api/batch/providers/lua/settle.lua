-- ARGV: turn, verdict, pause_ms (-1: none was named), message, window_ms, failures, first_pause_ms, longest_pause_ms
local turn, verdict, named = ARGV[1], ARGV[2], tonumber(ARGV[3])
redis.call('ZREM', HELD, turn)
redis.call('ZADD', RECENT, leaves_at(now, tonumber(ARGV[5])), turn)
if state('trial') == turn then redis.call('HDEL', STATE, 'trial') end
keep_for_a_day()

local pauses, epoch = num(state('pauses')), num(state('epoch'))
local paused_until = num(state('paused_until'))
-- A turn from before the last pause knows nothing of now; only a pause that it names counts, since it is a wish.
if tonumber(string.match(turn, '^(%d+):')) ~= epoch then
  if verdict == 'limited' and named >= 0 and now + named > paused_until then
    redis.call('HSET', STATE, 'paused_until', int(now + named), 'message', ARGV[4])
  end
  return 0
end
if verdict == 'answered' then
  redis.call('HSET', STATE, 'failures', 0, 'pauses', 0)
  return 0
end
if verdict == 'left' then return 0 end
if verdict == 'failed' then
  local failures = redis.call('HINCRBY', STATE, 'failures', 1)
  if pauses == 0 and failures < tonumber(ARGV[6]) then return 0 end
end
local pause = math.min(tonumber(ARGV[7]) * 2 ^ math.min(pauses, 30), tonumber(ARGV[8]))
if named >= 0 then pause = named end
redis.call('HSET', STATE, 'paused_until', int(now + pause), 'message', ARGV[4], 'failures', 0,
  'pauses', int(pauses + 1), 'epoch', int(epoch + 1))
return int(pause)
