#!lua flags=allow-oom
-- Mark a job as cancelled, so that its worker lets go and its readers are told.
-- A few bytes: also when Redis is full, so that a job can always end and say why.
-- KEYS: meta, log, lease. ARGV: job id, error as JSON, bell channel, signal channel.
-- Gives {status before, '1' when a worker holds the job}; nothing changes on a job that has ended.
local status = redis.call('HGET', KEYS[1], 'status')
if not status then
  return {'', ''}
end
local held = redis.call('EXISTS', KEYS[3]) == 1 and '1' or ''
if status == 'queued' or status == 'running' then
  redis.call('HSET', KEYS[1], 'status', 'cancelled', 'error', ARGV[2])
  redis.call('XADD', KEYS[2], '*', 't', 'state', 's', 'cancelled', 'j', ARGV[2])
  redis.call('PUBLISH', ARGV[3], ARGV[1])
  redis.call('PUBLISH', ARGV[4], 'cancel:' .. ARGV[1])
end
return {status, held}
