"""The job record's changes, as Lua: each runs whole inside Redis or not at all.

    latentaug:job:<id>               hash: the record's fields, and owner-side ones: deaths, reserved, queued_at
    latentaug:lease:<id>             exists while the job's process gives signs of life
    latentaug:events:<id>            stream of progress, metrics and, last, end
    latentaug:<status>:<kind>        set of ids, for the statuses queued and running
    latentaug:unstored               set of ended jobs whose record is not yet in the artefact store
    latentaug:ended                  hash: jobs ended, by "<kind>:<status>"
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
  return {status = found[1], attempt = found[2], kind = found[3]}
end

local function owned(id, attempt)
  local now = state(id)
  if now.status == 'running' and now.attempt == attempt then return now end
end

local function emit(id, type, data)
  redis.call('XADD', key('events', id), 'MAXLEN', '~', 2000, '*', 'type', type, 'data', data)
end

local function move(id, kind, from, to)
  redis.call('SREM', key(from, kind), id)
  if to then redis.call('SADD', key(to, kind), id) end
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

# id, attempt, now, lease milliseconds, progress
CLAIM = (
    _SHARED
    + """
local id, attempt, now, lease, progress = unpack(ARGV)
local job = state(id)
if job.status ~= 'queued' or job.attempt ~= attempt then return 0 end
redis.call('HSET', key('job', id), 'status', 'running', 'progress', progress)
redis.call('HSETNX', key('job', id), 'started_at', now)
redis.call('SET', key('lease', id), attempt, 'PX', lease)
move(id, job.kind, 'queued', 'running')
emit(id, 'progress', progress)
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

# id, attempt, progress, metrics or ''
PROGRESS = (
    _SHARED
    + """
local id, attempt, progress, metrics = unpack(ARGV)
if not owned(id, attempt) then return 0 end
redis.call('HSET', key('job', id), 'progress', progress)
emit(id, 'progress', progress)
if metrics ~= '' then emit(id, 'metrics', metrics) end
return 1
"""
)

# id, attempt, most deaths or '' where nobody died, now (seconds), progress
REQUEUE = (
    _SHARED
    + """
local id, attempt, most, now, progress = unpack(ARGV)
local job = owned(id, attempt)
if not job then return 'lost' end
if most ~= '' and redis.call('HINCRBY', key('job', id), 'deaths', 1) >= tonumber(most) then return 'spent' end
redis.call('HINCRBY', key('job', id), 'attempt', 1)
redis.call('HSET', key('job', id), 'status', 'queued', 'queued_at', now, 'progress', progress)
redis.call('DEL', key('lease', id))
move(id, job.kind, 'running', 'queued')
emit(id, 'progress', progress)
return 'queued'
"""
)

# id, attempt or '' for any, status, now, result or '', error or '', the end event, seconds its events are kept
END = (
    _SHARED
    + """
local id, attempt, status, now, result, error, event, seconds = unpack(ARGV)
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
move(id, job.kind, job.status, nil)
redis.call('SADD', key('unstored'), id)
redis.call('HINCRBY', key('ended'), job.kind .. ':' .. status, 1)
emit(id, 'end', event)
redis.call('EXPIRE', key('events', id), seconds)
return 'done'
"""
)
