-- Shared by the scripts of this folder. Time is that of Redis (processes' clocks differ), in milliseconds.
-- STATE: paused_until, pauses (in a row), epoch (pauses ever), failures (in a row), next_at, trial, last, message.
-- HELD: permits whose request is under way, by the end of their lease.
-- RECENT: released permits, by when they leave the window.
-- WAITING: processes that found all slots taken, by when they are no longer counted.
-- A permit is epoch:process:nonce.
local STATE, HELD, RECENT, WAITING = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local KEPT_MS = 86400000
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Lua would print 1.79e12.
local function int(x) return string.format('%.0f', x) end
local function num(x) return tonumber(x or 0) or 0 end
local function state(field) return redis.call('HGET', STATE, field) end

-- A thousandth more than the window: the provider's clock differs from that of Redis.
local function leaves_at(over_at, window_ms) return int(over_at + window_ms + math.ceil(window_ms / 1000)) end
