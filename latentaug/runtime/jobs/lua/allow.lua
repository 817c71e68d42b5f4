-- Grant a caller a part of what it may still take in a sliding window of time.
-- ARGV: name of what is counted, caller, most in any window, seconds of a window, how much is needed, how much is wanted.
-- Returns what was granted, 0 where less than needed is left, and the milliseconds until the window of the clock ends.
local name, caller, most, seconds, needed, wanted = unpack(ARGV)
local time = redis.call('TIME')
local now = (time[1] + time[2] / 1000000) / seconds
local window = math.floor(now)

local function counter(number) return key('allowed', name, caller, string.format('%.0f', number)) end
local function taken(number) return tonumber(redis.call('GET', counter(number)) or '0') end

local left = math.floor(most - taken(window) - taken(window - 1) * (window + 1 - now))
local granted = math.min(wanted, left)
if granted < tonumber(needed) then granted = 0 end
if granted > 0 then
  redis.call('INCRBY', counter(window), string.format('%.0f', granted))
  redis.call('EXPIRE', counter(window), math.ceil(2 * seconds))
end
return {granted, math.floor((window + 1 - now) * seconds * 1000)}
