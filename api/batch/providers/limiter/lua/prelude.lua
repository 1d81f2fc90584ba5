-- What turns.lua stands on: time from Redis alone (processes' clocks differ), in milliseconds.
-- STATE: paused_until, pauses (in a row), epoch (pauses ever), failures (in a row), next_at, trial, last, message.
-- HELD: turns under way, by the end of their lease. RECENT: turns that are over, by when they leave the window.
-- WAITING: processes that were told of a full house, by how long that is believed. A turn is epoch:process:nonce.
local STATE, HELD, RECENT, WAITING = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local KEPT_MS = 86400000
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Lua would print 1.79e12.
local function int(x) return string.format('%.0f', x) end
local function num(x) return tonumber(x or 0) or 0 end
local function state(field) return redis.call('HGET', STATE, field) end

-- A thousandth more: the provider's clock and Redis' do not run alike, and this one is cut to a millisecond.
local function leaves_at(over_at, window_ms) return int(over_at + window_ms + math.ceil(window_ms / 1000)) end
