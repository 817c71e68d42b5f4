-- Add jobs to the index.
-- ARGV: for each job its id, kind, status, the second in which it ended or '', and its tenant or ''. Where Redis has a
-- job's record, that one counts, for it may have moved on since it was read; a job that has no record there is added only
-- if it has ended.

-- Before there was an index, sub-jobs stood in sets of another name: an upgrade finds those of unfinished jobs there.
local function adopt_sub_jobs(id)
  for _, status in ipairs({'queued', 'running', 'succeeded', 'failed'}) do
    for _, sub_job in ipairs(redis.call('SMEMBERS', key('children', id, status))) do
      redis.call('ZADD', key('sub-jobs', id, state(sub_job).status), 0, sub_job)
    end
    redis.call('DEL', key('children', id, status))
  end
  if redis.call('HDEL', key('job', id), 'children') > 0 then count_sub_jobs(id) end
end

for i = 1, #ARGV, 5 do
  local id, kind, status, ended, tenant = unpack(ARGV, i, i + 4)
  local job = state(id)
  if job.status then
    shelve(job, job.status)
  elseif ended ~= '' then
    shelve({id = id, kind = kind, tenant = tenant ~= '' and tenant}, status)
  end
  if ended ~= '' then
    redis.call('ZADD', key('ends'), ended, id)
  else
    adopt_sub_jobs(id)
  end
end
