#!lua
-- Make one unit of a domain visible: chunks, index, log, coverage, counters and checkpoint, all or nothing.
-- KEYS: meta, lease, log, index, coverage, then one key per chunk, then one key per staged chunk.
-- ARGV[1]: JSON {token, ttl, domain, from, bytes, budget, fields, chunks, bell, job}; ARGV[2]: coverage; ARGV[3..]: frames.
-- A chunk is {score, member, staged}: staged is its place among the staged keys, 0 takes the next frame.
local unit = cjson.decode(ARGV[1])
if redis.call('GET', KEYS[2]) ~= unit.token then
  return 'lease'
end
local state = redis.call('HMGET', KEYS[1], 'status', unit.domain .. '.ids_done', 'bytes')
if state[1] ~= 'running' then
  return 'state'
end
if tonumber(state[2] or '0') ~= unit.from then
  return 'done'
end
if tonumber(state[3] or '0') + unit.bytes > unit.budget then
  return 'budget'
end
local chunks = #unit.chunks
local frame = 2
for i, chunk in ipairs(unit.chunks) do
  local key = KEYS[5 + i]
  if chunk.staged > 0 then
    redis.call('RENAME', KEYS[5 + chunks + chunk.staged], key)
    redis.call('EXPIRE', key, unit.ttl)
  else
    frame = frame + 1
    redis.call('SET', key, ARGV[frame], 'EX', unit.ttl)
  end
  redis.call('ZADD', KEYS[4], chunk.score, chunk.member)
  redis.call('XADD', KEYS[3], '*', 't', 'chunk', 'd', unit.domain, 'e', chunk.member)
end
redis.call('APPEND', KEYS[5], ARGV[2])
redis.call('HINCRBY', KEYS[1], 'bytes', unit.bytes)
redis.call('HSET', KEYS[1], unpack(unit.fields))
for i = 1, 5 do
  if i ~= 2 then
    redis.call('EXPIRE', KEYS[i], unit.ttl)
  end
end
redis.call('PUBLISH', unit.bell, unit.job)
return 'ok'
