/** The run id of the server that a script runs in; to be put before the script. */
export const epoch = `
local function epoch()
  local info = redis.call('INFO', 'server')
  -- A search for plain text: a pattern takes longer than all the rest of a script.
  local _, before = string.find(info, 'run_id:', 1, true)
  return string.match(info, '^%w+', before + 1)
end
`

/** What else scripts ask the server. */
export const askServer = `${epoch}
local function nowMs()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function whole(number)
  return string.format('%.0f', number)
end
`
