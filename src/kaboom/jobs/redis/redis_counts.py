"""Counts of calls in Redis, shared by all API processes: one script, timed by the clock of Redis."""

from kaboom.drivers.redis.client import Redis, redis_errors, run_together
from kaboom.jobs.redis import keys
from kaboom.web.rate_limit import Count, Rate

_ADD = """
local total = redis.call('INCRBY', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  left = tonumber(ARGV[2])
end
return {total, left}
"""


class RedisCounts:
    """`SharedCounts` on one Redis or Valkey; a count expires when its window ends."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._add = redis.register_script(_ADD)

    async def add(self, rate: Rate, caller: str, calls: int) -> Count:
        key = keys.calls(rate.name, caller)
        with redis_errors():
            ((total, left_ms),) = await run_together(self._redis, [(self._add, [key], [calls, rate.window_s * 1000])])
        return Count(int(total), int(left_ms) / 1000)
