-- The slow end of the distribution, in microseconds.
done = function(summary, latency, requests)
  io.write(string.format("p50 %d p99 %d p99.9 %d\n",
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
