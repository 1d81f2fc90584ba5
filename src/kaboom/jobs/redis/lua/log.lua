-- ARGV: lines (JSON texts)
-- A late line must not create the key of a dropped job again.
local status = redis.call('HGET', JOB, 'status')
if not status then return 0 end
for _, line in ipairs(ARGV) do
  redis.call('XADD', LOGS, 'MAXLEN', '~', 1000, '*', 't', 'line', 'd', line)
end
if FINAL[status] then redis.call('EXPIRE', LOGS, 7 * DAY_S) end
return #ARGV
