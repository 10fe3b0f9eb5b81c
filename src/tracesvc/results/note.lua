#!lua flags=allow-oom
-- Note a change of a job that carries no records: a domain starts or ends, the job ends.
-- A few bytes: also when Redis is full, so that a job can always end and say why.
-- KEYS: meta, lease, log. ARGV[1]: JSON {token, ttl, fields, entry, bell, job}.
-- Refused ('lease') once another worker holds the job, and ('state') once it no longer runs.
local note = cjson.decode(ARGV[1])
if redis.call('GET', KEYS[2]) ~= note.token then
  return 'lease'
end
if redis.call('HGET', KEYS[1], 'status') ~= 'running' then
  return 'state'
end
redis.call('HSET', KEYS[1], unpack(note.fields))
redis.call('XADD', KEYS[3], '*', unpack(note.entry))
redis.call('EXPIRE', KEYS[1], note.ttl)
redis.call('EXPIRE', KEYS[3], note.ttl)
redis.call('PUBLISH', note.bell, note.job)
return 'ok'
