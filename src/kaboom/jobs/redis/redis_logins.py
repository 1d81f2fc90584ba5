"""Failed logins in Redis, shared by all API processes: two scripts, timed by the clock of Redis."""

from kaboom.drivers.redis.client import Redis, redis_errors, run_together
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.logins import (
    FORGOTTEN_S,
    FREE,
    KNOWN_S,
    MOST_ACCOUNT_S,
    MOST_ADDRESS_S,
    MOST_DOUBLINGS,
    Attempt,
    place_of,
)

# KEYS[1] is the browser or the address. An account without a browser adds KEYS[2], its count; KEYS[3], its count at
# this address; and KEYS[4], which exists if it has logged in from there before.
_BEGIN = """
local counts = {KEYS[1]}
if KEYS[2] then counts[2] = redis.call('EXISTS', KEYS[4]) == 1 and KEYS[3] or KEYS[2] end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local free, forgotten_ms, doublings = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local wait_ms = 0
for _, key in ipairs(counts) do
  wait_ms = math.max(wait_ms, tonumber(redis.call('HGET', key, 'open_at') or 0) - now)
end
if wait_ms > 0 then return wait_ms end
for n, key in ipairs(counts) do
  local failures = redis.call('HINCRBY', key, 'failures', 1)
  redis.call('PEXPIRE', key, forgotten_ms)
  if failures >= free then
    local pause_ms = math.min(1000 * 2 ^ math.min(failures - free, doublings), tonumber(ARGV[3 + n]))
    redis.call('HSET', key, 'open_at', string.format('%d', now + pause_ms))
  end
end
return 0
"""
# The same keys without a browser; ARGV[1] is how long the address stays known.
_SUCCEED_AT_ADDRESS = """
if tonumber(redis.call('HGET', KEYS[1], 'failures') or 0) <= 1 then
  redis.call('DEL', KEYS[1])
else
  redis.call('HINCRBY', KEYS[1], 'failures', -1)
  redis.call('HDEL', KEYS[1], 'open_at')
end
if KEYS[2] then
  redis.call('DEL', redis.call('EXISTS', KEYS[4]) == 1 and KEYS[3] or KEYS[2])
  redis.call('SET', KEYS[4], '1', 'PX', ARGV[1])
end
return 0
"""
# KEYS[1] is the browser, KEYS[2] makes the address known.
_SUCCEED_ON_DEVICE = """
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
return 0
"""
_KNOWN_MS = int(KNOWN_S * 1000)


class RedisLoginFailures:
    """`LoginFailures` on one Redis or Valkey; the key of a count expires an hour after its last attempt."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._begin = redis.register_script(_BEGIN)
        self._succeed_at_address = redis.register_script(_SUCCEED_AT_ADDRESS)
        self._succeed_on_device = redis.register_script(_SUCCEED_ON_DEVICE)

    async def begin(self, attempt: Attempt) -> float:
        most_s = MOST_ACCOUNT_S if attempt.device else MOST_ADDRESS_S
        limits = [FREE, int(FORGOTTEN_S * 1000), MOST_DOUBLINGS, int(most_s * 1000), int(MOST_ACCOUNT_S * 1000)]
        with redis_errors():
            (wait_ms,) = await run_together(self._redis, [(self._begin, _counts_of(attempt), limits)])
        return int(wait_ms) / 1000

    async def succeed(self, attempt: Attempt) -> None:
        if attempt.device:
            known = keys.known_place(str(attempt.account), attempt.network)
            call = (self._succeed_on_device, [*_counts_of(attempt), known], [_KNOWN_MS])
        else:
            call = (self._succeed_at_address, _counts_of(attempt), [_KNOWN_MS])
        with redis_errors():
            await run_together(self._redis, [call])


def _counts_of(attempt: Attempt) -> list[str]:
    if attempt.device:
        return [keys.failed_logins("device", attempt.device)]
    address = keys.failed_logins("address", attempt.network)
    if attempt.account is None:
        return [address]
    return [
        address,
        keys.failed_logins("account", attempt.account),
        keys.failed_logins("place", place_of(attempt)),
        keys.known_place(attempt.account, attempt.network),
    ]
