#!lua
-- Make a job's first keys. KEYS: meta, request, log. ARGV: time to live in seconds, the request, then the
-- fields of meta and their values.
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('XADD', KEYS[3], '*', 't', 'state', 's', 'queued')
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[3], ARGV[1])
return 'ok'
