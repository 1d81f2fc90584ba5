-- ARGV: lines (JSON texts)
-- A line that comes late must not bring a dropped job's key back.
local status = redis.call('HGET', JOB, 'status')
if not status then return 0 end
for _, line in ipairs(ARGV) do
  redis.call('XADD', LOGS, 'MAXLEN', '~', 1000, '*', 't', 'line', 'd', line)
end
if FINAL[status] then redis.call('EXPIRE', LOGS, 7 * DAY_S) end
return #ARGV
