#!lua flags=allow-oom
-- Ask for a database slot, first come first served. KEYS: held, waiting, seen, ticket.
-- ARGV: token, lease ms, limit. Gives 1 when the slot is the token's now, 0 when it has to wait.
-- Holders and waiters that were silent for a lease are dropped: their process is gone.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
for _, token in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now - lease)) do
  redis.call('ZREM', KEYS[2], token)
  redis.call('ZREM', KEYS[3], token)
end
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[4]), ARGV[1])
end
local granted = 0
if redis.call('ZRANK', KEYS[2], ARGV[1]) < ARGV[3] - redis.call('ZCARD', KEYS[1]) then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('ZADD', KEYS[1], now + lease, ARGV[1])
  granted = 1
else
  redis.call('ZADD', KEYS[3], now, ARGV[1])
end
for i = 1, 4 do
  redis.call('PEXPIRE', KEYS[i], 10 * lease)
end
return granted
