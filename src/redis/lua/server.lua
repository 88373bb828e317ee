-- The server that a script runs in, and arithmetic that cannot go wrong unnoticed.
--
-- Numbers are doubles in Lua 5.1 and in JavaScript: from 2^53 on, a number and its successor can be the same. So every
-- number that is read goes through `count`, and every increment through `nextOf`. They refuse anything but a whole
-- number below 2^53 with the error that problem.ts recognizes, before the script has granted anything.

local function whole(number)
  return string.format('%.0f', number)
end

local highest = 9007199254740991

local function corrupt(key, field, value)
  error('CORRUPT ' .. cjson.encode({key, field, string.sub(tostring(value), 1, 40)}) .. ' CORRUPT', 0)
end

-- Returns the number in a field that was read; 0 when the field does not exist.
local function count(key, field, value)
  if not value then return 0 end
  local number = string.match(value, '^%d+$') and tonumber(value)
  if not number or number > highest then corrupt(key, field, value) end
  return number
end

local function nextOf(key, field, number)
  if number >= highest then corrupt(key, field, whole(number)) end
  return number + 1
end

-- Returns the server's run id, which identifies its epoch: a new one begins with each start of the server.
local function epoch()
  local info = redis.call('INFO', 'server')
  -- A search for plain text: matching a pattern would take longer than all the rest of a script.
  local _, before = string.find(info, 'run_id:', 1, true)
  return string.match(info, '^%w+', before + 1)
end

-- Returns the time by the server's clock, in milliseconds.
local function nowMs()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
