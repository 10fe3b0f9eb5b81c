#!lua
-- Enter a job, whose keys stand already, among those that count; first of those who ask the same question.
-- KEYS: flight, jobs of the caller, all active jobs, active jobs of the caller, everybody's jobs.
-- ARGV[1]: JSON {job, instead, now_ms, ttl, deadline_ms, most, most_of_caller}; `instead`: the job that the
-- caller saw at the question and found wanting, '' for none, '*' for whichever stands there.
-- Gives 'new', 'changed' (another job stands at the question), 'queue full' or 'caller full'.
local ask = cjson.decode(ARGV[1])
if ask.instead ~= '*' and (redis.call('GET', KEYS[1]) or '') ~= ask.instead then
  return 'changed'
end
for _, i in ipairs({2, 5}) do
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', ask.now_ms - 2000 * ask.ttl)
end
for i = 3, 4 do
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', ask.now_ms)
end
if redis.call('ZCARD', KEYS[3]) >= ask.most then
  return 'queue full'
end
if redis.call('ZCARD', KEYS[4]) >= ask.most_of_caller then
  return 'caller full'
end
redis.call('SET', KEYS[1], ask.job, 'EX', ask.ttl)
redis.call('ZADD', KEYS[2], ask.now_ms, ask.job)
redis.call('ZADD', KEYS[5], ask.now_ms, ask.job)
redis.call('ZADD', KEYS[3], ask.deadline_ms, ask.job)
redis.call('ZADD', KEYS[4], ask.deadline_ms, ask.job)
for i = 2, 5 do
  redis.call('EXPIRE', KEYS[i], ask.ttl)
end
return 'new'
