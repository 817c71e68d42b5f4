-- Take a queued job or sub-job.
-- ARGV: id, attempt, now, milliseconds of the lease, the latest format of records that the caller reads. Returns 1 where
-- it was to be had; a job of a later format waits for a newer worker.
local id, attempt, now, lease, readable = unpack(ARGV)
local job = state(id)
if job.status ~= 'queued' or job.attempt ~= attempt then return 0 end
if tonumber(redis.call('HGET', key('job', id), 'format') or '1') > tonumber(readable) then return 0 end
claim(job, now, lease)
return 1
