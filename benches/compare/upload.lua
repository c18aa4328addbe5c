-- One megabyte up, a few bytes down.
wrk.method = "POST"
wrk.body = string.rep("x", 1048576)
