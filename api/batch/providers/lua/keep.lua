-- ARGV: turn, lease_ms
return redis.call('ZADD', HELD, 'XX', int(now + tonumber(ARGV[2])), ARGV[1])
