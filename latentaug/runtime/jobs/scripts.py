"""The job record's changes, as Lua: each runs whole inside Redis or not at all.

    latentaug:job:<id>               hash: the record's fields, and owner-side ones: deaths, reserved, queued_at; the
                                     request_id and traceparent it came from; of a child worked, its fraction; of its
                                     parent low, high, since, total and worked
    latentaug:lease:<id>             exists while the job's process gives signs of life
    latentaug:events:<id>            stream of progress, metrics and, last, end; a child's go to its parent's
    latentaug:<status>:<kind>        set of ids, for the statuses queued and running
    latentaug:children:<id>:<status> set of ids of a job's children, until the job ends
    latentaug:follows:<id>:<attempt> the child, and its attempt, that this attempt's process has gone on with
    latentaug:unstored               set of ended jobs whose record is not yet in the artefact store
    latentaug:ended                  hash: jobs ended, by "<kind>:<status>"
    latentaug:counted                hash: what workers have done, by "<name>:<kind>" or "<name>:<kind>:<status>"
    latentaug:request:<digest>       hash: an idempotency key's job and request
    latentaug:reserved:<name>        the unfinished job that holds a name

Every change by a worker names its attempt and is refused once the job has ended or a later attempt has begun. Keys are
computed in the scripts, so this needs one Redis or Valkey, not a cluster.
"""


def key(*parts: str) -> str:
    """A key's name."""
    return ":".join(("latentaug", *parts))


_SHARED = """
local function key(...) return 'latentaug:' .. table.concat({...}, ':') end

local function state(id)
  local found = redis.call('HMGET', key('job', id), 'status', 'attempt', 'kind')
  return {id = id, status = found[1], attempt = found[2], kind = found[3], parent = string.match(id, '^(%x+)_')}
end

local function owned(id, attempt)
  local now = state(id)
  if now.status == 'running' and now.attempt == attempt then return now end
end

local function emit(id, type, data)
  redis.call('XADD', key('events', id), 'MAXLEN', '~', 2000, '*', 'type', type, 'data', data)
end

local function number(id, status) return redis.call('SCARD', key('children', id, status)) end

local function open(id) return number(id, 'queued') + number(id, 'running') > 0 end

local function count(id)
  redis.call('HSET', key('job', id), 'children', cjson.encode({
    queued = number(id, 'queued'), running = number(id, 'running'),
    done = number(id, 'succeeded'), failed = number(id, 'failed')}))
end

local function move(job, to)
  local function shelf(status)
    return job.parent and key('children', job.parent, status) or key(status, job.kind)
  end
  redis.call('SREM', shelf(job.status), job.id)
  if to then redis.call('SADD', shelf(to), job.id) end
  if job.parent then count(job.parent) end
end

local function tell(id, progress)
  redis.call('HSET', key('job', id), 'progress', progress)
  emit(id, 'progress', progress)
end

local function restage(job, stage)
  if job.parent then return end
  local progress = cjson.decode(redis.call('HGET', key('job', job.id), 'progress'))
  tell(job.id, cjson.encode({fraction = progress.fraction, stage = stage, eta_seconds = cjson.null}))
end

local function claim(job, now, lease)
  redis.call('HSET', key('job', job.id), 'status', 'running')
  redis.call('HSETNX', key('job', job.id), 'started_at', now)
  redis.call('SET', key('lease', job.id), job.attempt, 'PX', lease)
  move(job, 'running')
  restage(job, 'starting')
  redis.call('HINCRBY', key('counted'), 'attempts:' .. job.kind, 1)
end

local function put_back(job, now, stage)
  redis.call('HINCRBY', key('job', job.id), 'attempt', 1)
  redis.call('HSET', key('job', job.id), 'status', 'queued', 'queued_at', now)
  redis.call('DEL', key('lease', job.id))
  move(job, 'queued')
  restage(job, stage)
end

local function work(child, fraction)
  local done = fraction - tonumber(redis.call('HGET', key('job', child.id), 'worked') or '0')
  redis.call('HSET', key('job', child.id), 'worked', fraction)
  redis.call('HINCRBYFLOAT', key('job', child.parent), 'worked', done)
end
"""

# id, kind, most queued, request key or '', request digest, its seconds, reserved name or '', then the hash's fields
CREATE = (
    _SHARED
    + """
local id, kind, most, request, digest, seconds, name = unpack(ARGV, 1, 7)
if request ~= '' then
  local earlier = redis.call('HMGET', key('request', request), 'id', 'digest')
  if earlier[1] then
    return {earlier[2] == digest and 'earlier' or 'other_request', earlier[1]}
  end
end
if name ~= '' then
  local holder = redis.call('GET', key('reserved', name))
  if holder and holder ~= id then return {'reserved', holder} end
end
if redis.call('SCARD', key('queued', kind)) >= tonumber(most) then return {'full', ''} end
redis.call('HSET', key('job', id), unpack(ARGV, 8))
redis.call('SADD', key('queued', kind), id)
if name ~= '' then
  redis.call('SET', key('reserved', name), id)
  redis.call('HSET', key('job', id), 'reserved', name)
end
if request ~= '' then
  redis.call('HSET', key('request', request), 'id', id, 'digest', digest)
  redis.call('EXPIRE', key('request', request), seconds)
end
return {'created', id}
"""
)

# id, attempt, now, lease milliseconds
CLAIM = (
    _SHARED
    + """
local id, attempt, now, lease = unpack(ARGV)
local job = state(id)
if job.status ~= 'queued' or job.attempt ~= attempt then return 0 end
claim(job, now, lease)
return 1
"""
)

# id and attempt that the process was started for, parent, now, lease milliseconds, seconds to remember it, 1 where it
# may take siblings
FOLLOW = (
    _SHARED
    + """
local id, attempt, parent, now, lease, seconds, siblings = unpack(ARGV)
local waiting = siblings == '1' and redis.call('SORT', key('children', parent, 'queued'), 'LIMIT', 0, 1, 'ALPHA')[1]
local job = state(waiting or parent)
if job.status ~= 'queued' then return nil end
claim(job, now, lease)
redis.call('SET', key('follows', id, attempt), job.id .. ' ' .. job.attempt, 'EX', seconds)
return {job.id, job.attempt}
"""
)

# id, attempt, now, now (seconds), fractions of the progress before and after, then the children's names and parameters
FAN_OUT = (
    _SHARED
    + """
local id, attempt, now, seconds, low, high = unpack(ARGV, 1, 6)
local parent = owned(id, attempt)
if not parent then return 0 end
for i = 7, #ARGV, 2 do
  local child = id .. '_' .. ARGV[i]
  redis.call('HSET', key('job', child), 'id', child, 'kind', parent.kind, 'status', 'queued', 'attempt', 1,
    'created_at', now, 'queued_at', seconds, 'params', ARGV[i + 1])
  redis.call('SADD', key('children', id, 'queued'), child)
end
redis.call('HSET', key('job', id), 'low', low, 'high', high, 'since', seconds, 'total', (#ARGV - 6) / 2, 'worked', 0)
count(id)
return 1
"""
)

# id, attempt, lease milliseconds
RENEW = (
    _SHARED
    + """
local id, attempt, lease = unpack(ARGV)
local job = state(id)
if job.attempt ~= attempt or job.status == 'queued' or job.status == 'cancelled' then return 0 end
if job.status == 'running' then redis.call('SET', key('lease', id), attempt, 'PX', lease) end
return 1
"""
)

# id, attempt, fraction, stage, seconds left or '', metrics or '', now (seconds)
PROGRESS = (
    _SHARED
    + """
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
"""
)

# id, attempt, most deaths or '' where nobody died, now (seconds)
REQUEUE = (
    _SHARED
    + """
local id, attempt, most, now = unpack(ARGV)
local job = owned(id, attempt)
if not job or open(id) then return 'lost' end
if most ~= '' then redis.call('HINCRBY', key('counted'), 'lease_losses:' .. job.kind, 1) end
if most ~= '' and redis.call('HINCRBY', key('job', id), 'deaths', 1) >= tonumber(most) then return 'spent' end
put_back(job, now, 'queued again')
return 'queued'
"""
)

# id, attempt, status, now, now (seconds), result or '', error or '': a child's end, the last of which wakes its parent
END_CHILD = (
    _SHARED
    + """
local id, attempt, status, now, seconds, result, error = unpack(ARGV)
local job = owned(id, attempt)
if not job then return 'lost' end
redis.call('HSET', key('job', id), 'status', status, 'ended_at', now)
if result ~= '' then redis.call('HSET', key('job', id), 'result', result) end
if error ~= '' then redis.call('HSET', key('job', id), 'error', error) end
redis.call('DEL', key('lease', id))
work(job, 1)
move(job, status)
local parent = state(job.parent)
if parent.status == 'running' and not open(parent.id) then put_back(parent, seconds, 'going on') end
return 'done'
"""
)

# id, attempt or '' for any, status, now, result or '', error or '', the end event, seconds its events are kept, seconds
# that it ran
END = (
    _SHARED
    + """
local id, attempt, status, now, result, error, event, seconds, ran = unpack(ARGV)
local job = state(id)
if not job.status then return 'missing' end
if job.status ~= 'queued' and job.status ~= 'running' then return job.status end
if attempt ~= '' and not owned(id, attempt) then return 'lost' end
redis.call('HSET', key('job', id), 'status', status, 'ended_at', now)
if result ~= '' then redis.call('HSET', key('job', id), 'result', result) end
if error ~= '' then redis.call('HSET', key('job', id), 'error', error) end
local name = redis.call('HGET', key('job', id), 'reserved')
if name then redis.call('DEL', key('reserved', name)) end
redis.call('DEL', key('lease', id))
move(job, nil)
for _, shelf in ipairs({'queued', 'running', 'succeeded', 'failed'}) do
  for _, child in ipairs(redis.call('SMEMBERS', key('children', id, shelf))) do
    redis.call('DEL', key('job', child), key('lease', child))
  end
end
if redis.call('DEL', key('children', id, 'queued'), key('children', id, 'running')) > 0 then count(id) end
redis.call('DEL', key('children', id, 'succeeded'), key('children', id, 'failed'))
redis.call('SADD', key('unstored'), id)
redis.call('HINCRBY', key('ended'), job.kind .. ':' .. status, 1)
redis.call('HINCRBYFLOAT', key('counted'), 'seconds:' .. job.kind .. ':' .. status, ran)
emit(id, 'end', event)
redis.call('EXPIRE', key('events', id), seconds)
return 'done'
"""
)
