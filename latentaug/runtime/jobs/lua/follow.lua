-- Take more of the same job for a process that has done its part: a sub-job that waits, or the job itself.
-- ARGV: id and attempt that the process was started for, the job's id, now, milliseconds of the lease, '1' where it may
-- take a sub-job. Returns the id and the attempt that were taken, or nil.
local id, attempt, whole, now, lease, sub_jobs = unpack(ARGV)
local waiting = sub_jobs == '1' and redis.call('ZRANGE', key('sub-jobs', whole, 'queued'), 0, 0)[1]
local job = state(waiting or whole)
if job.status ~= 'queued' then return nil end
claim(job, now, lease)
redis.call('HSET', key('processes', whole), id .. ' ' .. attempt, job.id .. ' ' .. job.attempt)
return {job.id, job.attempt}
