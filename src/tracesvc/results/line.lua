#!lua
-- Make a line that is no record visible: its parts, its place in the log, and what it changes of the job.
-- KEYS: meta, lease, log, request, staged names, then one key per staged part, then one per part of the line.
-- ARGV[1]: JSON {token, ttl, bytes, budget, fields, entry, bell, job}; ARGV[2]: the question from now on, or ''.
local line = cjson.decode(ARGV[1])
if redis.call('GET', KEYS[2]) ~= line.token then
  return 'lease'
end
local state = redis.call('HMGET', KEYS[1], 'status', 'bytes')
if state[1] ~= 'running' then
  return 'state'
end
if tonumber(state[2] or '0') + line.bytes > line.budget then
  return 'budget'
end
local parts = (#KEYS - 5) / 2
for i = 1, parts do
  redis.call('RENAME', KEYS[5 + i], KEYS[5 + parts + i])
  redis.call('EXPIRE', KEYS[5 + parts + i], line.ttl)
end
redis.call('DEL', KEYS[5])
redis.call('HINCRBY', KEYS[1], 'bytes', line.bytes)
redis.call('HSET', KEYS[1], unpack(line.fields))
redis.call('XADD', KEYS[3], '*', unpack(line.entry))
if ARGV[2] ~= '' then
  redis.call('SET', KEYS[4], ARGV[2], 'EX', line.ttl)
end
redis.call('EXPIRE', KEYS[1], line.ttl)
redis.call('EXPIRE', KEYS[3], line.ttl)
redis.call('PUBLISH', line.bell, line.job)
return 'ok'
