-- End a sub-job; the end of the last one puts its job back in its queue.
-- ARGV: id, attempt, status, now, now in seconds, result or '', error or ''. Returns 'done', or 'lost' where the attempt
-- no longer has it.
local id, attempt, status, now, seconds, result, error = unpack(ARGV)
local sub_job = owned(id, attempt)
if not sub_job then return 'lost' end
work(sub_job, 1)
close(sub_job, status, now, result, error)
local job = state(sub_job.parent)
if job.status == 'running' and not unfinished_sub_jobs(job.id) then put_back(job, seconds, 'going on') end
return 'done'
