#!lua flags=allow-oom
-- Take a job's lease: one worker at a time, each with the next attempt number as its fencing token.
-- A few bytes: also when Redis is full, so that a job can always end and say why.
-- KEYS: meta, lease, log. ARGV: worker, lease seconds, started_at, ttl, bell channel, job id.
-- Gives the attempt, or 0 when the job is gone, ended or held by another.
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'running' then
  return 0
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 0
end
local attempt = redis.call('HINCRBY', KEYS[1], 'attempt', 1)
redis.call('SET', KEYS[2], attempt .. ':' .. ARGV[1], 'EX', ARGV[2])
redis.call('HSET', KEYS[1], 'status', 'running', 'stage', 'events')
redis.call('HSETNX', KEYS[1], 'started_at', ARGV[3])
redis.call('XADD', KEYS[3], '*', 't', 'state', 's', 'running', 'a', attempt)
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('EXPIRE', KEYS[3], ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return attempt
