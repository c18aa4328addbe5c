-- What wrk sends beyond a plain GET, and what it says at the end, in whole numbers.
--   close         a connection for each request
--   upload        one megabyte up, a few bytes down
--   sessions N    a session at random of N in X-Session
--   fill N        each of N sessions once, then the end
local count, sent = 0, 0

local function session(number)
  return wrk.format("GET", nil, { ["Host"] = "127.0.0.1", ["X-Session"] = string.format("session-%07d", number) })
end

function init(args)
  local what = args[1]
  count = tonumber(args[2] or "0")
  if what == "close" then
    wrk.headers["Connection"] = "close"
  elseif what == "upload" then
    wrk.method = "POST"
    wrk.body = string.rep("x", 1048576)
  elseif what == "sessions" then
    math.randomseed(7)
    request = function() return session(math.random(count)) end
  elseif what == "fill" then
    -- A few more than asked: what is on its way when the last is sent has no answer any more.
    request = function()
      sent = sent + 1
      if sent > count + 128 then wrk.thread:stop() end
      return session((sent - 1) % count + 1)
    end
  end
end

function done(summary)
  local wrong = summary.errors
  io.write(string.format("\nrequests=%d bytes=%d connect=%d read=%d write=%d status=%d timeout=%d\n",
    summary.requests, summary.bytes, wrong.connect, wrong.read, wrong.write, wrong.status, wrong.timeout))
end
