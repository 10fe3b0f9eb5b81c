#!lua flags=allow-oom
-- Take a job's lease: one worker at a time. The fencing token is the attempt's number and who holds it.
-- A few bytes: also when Redis is full, so that a job can always end and say why.
-- KEYS: meta, lease, log. ARGV: holder, lease ms, started_at, ttl, bell channel, job id, '1' to begin an attempt.
-- Gives the attempt, or -1 when the job is gone, ended or held by another.
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'running' then
  return -1
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return -1
end
local attempt = redis.call('HINCRBY', KEYS[1], 'attempt', ARGV[7])
redis.call('SET', KEYS[2], attempt .. ':' .. ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[1], 'status', 'running')
redis.call('HSETNX', KEYS[1], 'started_at', ARGV[3])
redis.call('XADD', KEYS[3], '*', 't', 'state', 's', 'running', 'a', attempt)
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('EXPIRE', KEYS[3], ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return attempt
