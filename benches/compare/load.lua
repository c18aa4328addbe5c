-- What wrk sends beyond a plain GET, and what it says at the end, in whole numbers.
--   close         a connection for each request
--   upload        one megabyte up, a few bytes down
--   sessions N    a session at random of N in X-Session
function init(args)
  local what = args[1]
  if what == "close" then
    wrk.headers["Connection"] = "close"
  elseif what == "upload" then
    wrk.method = "POST"
    wrk.body = string.rep("x", 1048576)
  elseif what == "sessions" then
    local count = tonumber(args[2])
    math.randomseed(7)
    request = function()
      local session = string.format("session-%07d", math.random(count))
      return wrk.format("GET", nil, { ["Host"] = "127.0.0.1", ["X-Session"] = session })
    end
  end
end

function done(summary)
  local wrong = summary.errors
  io.write(string.format("\nrequests=%d bytes=%d connect=%d read=%d write=%d status=%d timeout=%d\n",
    summary.requests, summary.bytes, wrong.connect, wrong.read, wrong.write, wrong.status, wrong.timeout))
end
