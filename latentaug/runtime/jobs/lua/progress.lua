-- Set a job's progress and emit it; a sub-job moves its job's progress by its own part.
-- ARGV: id, attempt, fraction, stage, seconds left or '', metrics or '', now in seconds. Returns 1 where the attempt
-- still has the job or sub-job.
local id, attempt, fraction, stage, eta, metrics, now = unpack(ARGV)
local job = owned(id, attempt)
if not job then return 0 end
eta = tonumber(eta)
if job.parent then
  work(job, fraction)
  id = job.parent
  local span = redis.call('HMGET', key('job', id), 'low', 'high', 'since', 'total', 'worked')
  local done = (span[2] - span[1]) * span[5] / span[4]
  fraction = math.max(0, math.min(1, span[1] + done))
  eta = done > 0 and math.max(0, (now - span[3]) / done * (1 - fraction)) or nil
end
tell(id, cjson.encode({fraction = tonumber(fraction), stage = stage, eta_seconds = eta or cjson.null}))
if metrics ~= '' then emit(id, 'metrics', metrics) end
return 1
