#!lua flags=allow-oom
-- Give a lease back. KEYS: lease, meta. ARGV: lease value, '1' when the worker stops (no attempt is lost then).
-- Gives {status, attempt}, or {'', 0} when the lease is another's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'', 0}
end
redis.call('DEL', KEYS[1])
local state = redis.call('HMGET', KEYS[2], 'status', 'attempt')
if state[1] == 'running' and ARGV[2] == '1' then
  redis.call('HINCRBY', KEYS[2], 'handed_back', 1)
end
return {state[1] or '', tonumber(state[2] or '0')}
