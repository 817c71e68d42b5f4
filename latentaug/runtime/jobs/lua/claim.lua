-- Take a queued job or sub-job.
-- ARGV: id, attempt, now, milliseconds of the lease. Returns 1 where it was to be had.
local id, attempt, now, lease = unpack(ARGV)
local job = state(id)
if job.status ~= 'queued' or job.attempt ~= attempt then return 0 end
claim(job, now, lease)
return 1
