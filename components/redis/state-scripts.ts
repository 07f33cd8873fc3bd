import { script } from "./script.ts";

// The published layout: a HASH with the fields `data`, `version` (a whole number, one more with each write, which is the
// etag) and, once somebody wrote with the concurrency first-write, `first-write`. Others may have left a STRING, or a
// RedisJSON document {"data": ..., "version": n}.

/**
 * KEYS: the key. Answers nil, or {data, version, end in milliseconds since 1970 or -1, kind}, where kind is `hash`,
 * `string` or `json`; the data of a document is the whole document.
 */
export const readScript = script(`
local function ending()
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 then return -1 end
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000) + left
end
local found = redis.pcall('HMGET', KEYS[1], 'data', 'version')
if not found.err then
  if not found[1] and not found[2] then return false end
  return {found[1] or '', found[2], ending(), 'hash'}
end
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'string' then return {redis.call('GET', KEYS[1]), false, ending(), 'string'} end
if kind == 'ReJSON-RL' then return {redis.call('JSON.GET', KEYS[1]), false, ending(), 'json'} end
return found
`);

/** How many arguments of `writeScript` belong to one write. */
export type WriteArguments = readonly [
  kind: "set" | "json" | "delete",
  etag: string,
  concurrency: "first-write" | "last-write" | "",
  ttlMs: number,
  data: Buffer,
];

/**
 * KEYS: the key of each write. ARGV: WriteArguments of each. All writes are done, in their order, or none.
 * Answers 0, or the number (from 1) of the first write whose condition is not met.
 */
export const writeScript = script(`
local states = {}
local function look(key)
  if states[key] then return states[key] end
  local state
  local found = redis.pcall('HMGET', key, 'version', 'first-write')
  if not found.err then
    if found[1] then
      state = {present = true, version = found[1], marked = found[2]}
    else
      state = {present = redis.call('EXISTS', key) == 1}
    end
  else
    local kind = redis.call('TYPE', key).ok
    state = {present = true, foreign = true}
    if kind == 'ReJSON-RL' then
      local document = cjson.decode(redis.call('JSON.GET', key, '.version'))
      state.version = string.format('%d', document)
      state.foreign = false
      state.json = true
    elseif kind ~= 'string' then
      return found
    end
  end
  states[key] = state
  return state
end
local after = {}
local function now(key)
  return after[key] or look(key)
end
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 5
  local kind, etag, concurrency = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local state = now(key)
  if state.err then return state end
  local met = true
  if etag ~= '' then
    met = state.version == etag
  elseif concurrency == 'first-write' then
    met = not state.present
  elseif kind ~= 'delete' and concurrency == '' then
    met = not state.marked
  end
  if not met then return i end
  if kind == 'delete' then
    after[key] = {present = false}
  else
    after[key] = {
      present = true,
      version = string.format('%d', tonumber(state.version or 0) + 1),
      marked = state.marked or concurrency == 'first-write',
      json = kind == 'json',
    }
  end
end
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 5
  local kind, concurrency, ttl, data = ARGV[at + 1], ARGV[at + 3], tonumber(ARGV[at + 4]), ARGV[at + 5]
  local state = states[key]
  if kind == 'delete' then
    redis.call('DEL', key)
    states[key] = {present = false}
  else
    if state.foreign or (state.present and (state.json or false) ~= (kind == 'json')) then redis.call('DEL', key) end
    local version = string.format('%d', tonumber(state.version or 0) + 1)
    local marked = state.marked or concurrency == 'first-write'
    if kind == 'json' then
      local mark = marked and ',"first-write":0' or ''
      redis.call('JSON.SET', key, '.', '{"data":' .. data .. ',"version":' .. version .. mark .. '}')
    elseif concurrency == 'first-write' then
      redis.call('HSET', key, 'data', data, 'version', version, 'first-write', '0')
    else
      redis.call('HSET', key, 'data', data, 'version', version)
    end
    if ttl > 0 then
      redis.call('PEXPIRE', key, ttl)
    elseif state.present then
      redis.call('PERSIST', key)
    end
    states[key] = {present = true, version = version, marked = marked, json = kind == 'json'}
  end
end
return 0
`);
