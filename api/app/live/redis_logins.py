"""Failed logins in Redis, shared by all API processes: two scripts, timed by the clock of Redis."""

from app.live import keys
from app.live.logins import FORGOTTEN_S, FREE, MOST_ACCOUNT_S, MOST_ADDRESS_S, MOST_DOUBLINGS
from batch.kit.redis.client import Redis, redis_errors, run_together

_BEGIN = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local free, forgotten_ms, doublings = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local wait_ms = 0
for _, key in ipairs(KEYS) do
  wait_ms = math.max(wait_ms, tonumber(redis.call('HGET', key, 'open_at') or 0) - now)
end
if wait_ms > 0 then return wait_ms end
for n, key in ipairs(KEYS) do
  local failures = redis.call('HINCRBY', key, 'failures', 1)
  redis.call('PEXPIRE', key, forgotten_ms)
  if failures >= free then
    local pause_ms = math.min(1000 * 2 ^ math.min(failures - free, doublings), tonumber(ARGV[3 + n]))
    redis.call('HSET', key, 'open_at', string.format('%d', now + pause_ms))
  end
end
return 0
"""
# KEYS[1] is the address; KEYS[2], if present, is the account.
_SUCCEED = """
if KEYS[2] then redis.call('DEL', KEYS[2]) end
if tonumber(redis.call('HGET', KEYS[1], 'failures') or 0) <= 1 then
  redis.call('DEL', KEYS[1])
else
  redis.call('HINCRBY', KEYS[1], 'failures', -1)
  redis.call('HDEL', KEYS[1], 'open_at')
end
return 0
"""


class RedisLoginFailures:
    """`LoginFailures` on one Redis or Valkey; the key of a count expires an hour after its last attempt."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._begin = redis.register_script(_BEGIN)
        self._succeed = redis.register_script(_SUCCEED)

    async def begin(self, account: str | None, address: str) -> float:
        limits = [FREE, int(FORGOTTEN_S * 1000), MOST_DOUBLINGS, int(MOST_ADDRESS_S * 1000), int(MOST_ACCOUNT_S * 1000)]
        with redis_errors():
            (wait_ms,) = await run_together(self._redis, [(self._begin, _keys(account, address), limits)])
        return int(wait_ms) / 1000

    async def succeed(self, account: str | None, address: str) -> None:
        with redis_errors():
            await run_together(self._redis, [(self._succeed, _keys(account, address), [])])


def _keys(account: str | None, address: str) -> list[str]:
    of_account = [] if account is None else [keys.failed_logins("account", account)]
    return [keys.failed_logins("address", address), *of_account]
