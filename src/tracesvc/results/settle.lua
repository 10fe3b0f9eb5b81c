#!lua flags=allow-oom
-- A job has ended: it counts against no limit, its question goes with its result, and so do the lists' entries
-- of jobs whose results have gone by now.
-- KEYS: flight, all active jobs, active jobs of the caller; jobs of the caller and when they go; everybody's
-- jobs and when they go. ARGV[1]: JSON {job, now_ms, ttl, longest, list}: seconds that the result stays, that it
-- stays at most, and that the lists stay.
local ended = cjson.decode(ARGV[1])
redis.call('ZREM', KEYS[2], ended.job)
redis.call('ZREM', KEYS[3], ended.job)
if redis.call('GET', KEYS[1]) == ended.job then
  redis.call('EXPIRE', KEYS[1], ended.ttl)
end
for i = 4, 6, 2 do
  local list, ends = KEYS[i], KEYS[i + 1]
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', ended.now_ms, 'LIMIT', 0, 1000)) do
    redis.call('ZREM', list, gone)
    redis.call('ZREM', ends, gone)
  end
  if redis.call('ZSCORE', list, ended.job) then
    redis.call('ZADD', ends, ended.now_ms + 1000 * ended.longest, ended.job)
    redis.call('EXPIRE', ends, ended.list)
    redis.call('EXPIRE', list, ended.list)
  end
end
