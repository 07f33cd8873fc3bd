import { script } from "./script.ts";

// Streams keep no order across the consumers of a group, so one of them works at a time: the one whose word the turn
// holds, a key that ends by itself. The word is the consumer's name and a number; after a failure the consumer says
// another one, so that a script which the server gets to late does nothing. All scripts: KEYS the stream, the turn; ARGV
// the group, the consumer, its word, more.

/** ARGV: milliseconds. 0: it is another one's turn; 1: it was the consumer's and still is; 2: it is from now on. */
export const beginScript = script(`
local holder = redis.call('GET', KEYS[2])
if holder and string.sub(holder, 1, #ARGV[2]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
if holder then return 1 end
return 2
`);

/** ARGV: milliseconds. 0: the turn is over. */
export const prolongScript = script(`
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
`);

export const endScript = script(`
if redis.call('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
return 0
`);

/**
 * ARGV: count. Delivers new entries in the turn of the consumer; nil: the turn is over.
 * Answers {id of the last that the group has been given, {{id, deliveries, fields}, ...}}; the id is absent with entries.
 */
export const readScript = script(`
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return false end
local answer = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[4], 'STREAMS', KEYS[1], '>')
local found = {}
if answer then
  for _, one in ipairs(answer[1][2]) do found[#found + 1] = {one[1], 1, one[2]} end
end
if #found > 0 then return {false, found} end
for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for at = 1, #info, 2 do group[info[at]] = info[at + 1] end
  if group.name == ARGV[1] then return {group['last-delivered-id'], found} end
end
return {'0', found}
`);

/**
 * ARGV: how the names of consumers begin that work in turns, milliseconds, limit, then ids that the consumer holds. Takes
 * over, in the order of the stream, what members of former turns left, and what others have been idle with for so long;
 * what got lost on the way to the consumer itself is not counted again. Nil: the turn is over.
 * Answers {id, deliveries, fields} of each; entries that are trimmed away are acknowledged.
 */
export const takeOverScript = script(`
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return false end
local prefix, idle, limit = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local held = {}
for at = 7, #ARGV do held[ARGV[at]] = true end
local taken, from, page = {}, '-', 1000
while true do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], from, '+', page)
  for _, one in ipairs(pending) do
    local id, consumer, deliveries = one[1], one[2], one[4]
    local isOwn = consumer == ARGV[2]
    if not held[id] and (string.sub(consumer, 1, #prefix) == prefix or one[3] >= idle) then
      if not isOwn then deliveries = deliveries + 1 end
      local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'RETRYCOUNT', deliveries)[1]
      if entry then
        taken[#taken + 1] = {id, deliveries, entry[2]}
        if #taken >= limit then return taken end
      else
        redis.call('XACK', KEYS[1], ARGV[1], id)
      end
    end
  end
  if #pending < page then return taken end
  local ms, number = string.match(pending[#pending][1], '^(%d+)-(%d+)$')
  from = ms .. '-' .. string.format('%.0f', tonumber(number) + 1)
end
`);
