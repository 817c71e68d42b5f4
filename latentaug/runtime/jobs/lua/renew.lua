-- Renew a lease.
-- ARGV: id, attempt, milliseconds of the lease. Returns 0 where the attempt has lost the job or sub-job.
local id, attempt, lease = unpack(ARGV)
local job = state(id)
if job.attempt ~= attempt or job.status == 'queued' or job.status == 'cancelled' then return 0 end
if job.status == 'running' then redis.call('SET', key('lease', id), attempt, 'PX', lease) end
return 1
