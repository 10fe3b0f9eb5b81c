#!lua
-- Create a job, or find the one that answers the same question already.
-- KEYS: flight, meta, request, log, jobs of the caller, all active jobs, active jobs of the caller.
-- ARGV[1]: JSON {job, now_ms, ttl, fresh_ms, renew, deadline_ms, most, most_of_caller, meta_before, meta_after, fields}
-- ARGV[2]: the request. Gives {outcome, job id, status}: 'new', 'same', 'queue full' or 'caller full'.
local ask = cjson.decode(ARGV[1])
local known = redis.call('GET', KEYS[1])
if known and not ask.renew then
  local meta = ask.meta_before .. known .. ask.meta_after
  local state = redis.call('HMGET', meta, 'status', 'ok', 'finished_ms')
  if state[1] == 'queued' or state[1] == 'running' then
    return {'same', known, state[1]}
  end
  if state[1] == 'finished' and state[2] == '1' and ask.now_ms - tonumber(state[3]) < ask.fresh_ms then
    return {'same', known, state[1]}
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', ask.now_ms - 2000 * ask.ttl)
for i = 6, 7 do
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', ask.now_ms)
end
if redis.call('ZCARD', KEYS[6]) >= ask.most then
  return {'queue full', '', ''}
end
if redis.call('ZCARD', KEYS[7]) >= ask.most_of_caller then
  return {'caller full', '', ''}
end
redis.call('SET', KEYS[3], ARGV[2], 'EX', ask.ttl)
redis.call('HSET', KEYS[2], unpack(ask.fields))
redis.call('XADD', KEYS[4], '*', 't', 'state', 's', 'queued')
redis.call('SET', KEYS[1], ask.job, 'EX', ask.ttl)
redis.call('ZADD', KEYS[5], ask.now_ms, ask.job)
redis.call('ZADD', KEYS[6], ask.deadline_ms, ask.job)
redis.call('ZADD', KEYS[7], ask.deadline_ms, ask.job)
for _, i in ipairs({2, 4, 5, 6, 7}) do
  redis.call('EXPIRE', KEYS[i], ask.ttl)
end
return {'new', ask.job, 'queued'}
