/** What scripts ask the server that they run in; to be put before them. */
export const askServer = `
local function epoch()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
end
local function nowMs()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function whole(number)
  return string.format('%.0f', number)
end
`
