-- Take the webhook that has been due longest; nobody else takes it while the lease lasts.
-- ARGV: now in seconds, seconds of the lease. Returns the job's id and which try this is, or nil.
local now, lease = unpack(ARGV)
local id = redis.call('ZRANGEBYSCORE', key('webhooks'), '-inf', now, 'LIMIT', 0, 1)[1]
if not id then return nil end
redis.call('ZADD', key('webhooks'), now + lease, id)
return {id, redis.call('HINCRBY', key('webhook-tries'), id, 1)}
