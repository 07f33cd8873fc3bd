import { script } from "./script.ts";

// A stream's group keeps a list of pending entries: delivered to a consumer, not acknowledged. Each knows its consumer,
// how long ago that was (idle) and how often. All scripts: KEYS the stream; ARGV the group, the consumer that asks, more.

/** ARGV: ids. Says of each entry still pending with the consumer that it is being worked on; answers the other ids. */
export const renewScript = script(`
local lost = {}
for at = 3, #ARGV do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[at], ARGV[at], 1)[1]
  if pending and pending[2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[at], 'IDLE', 0, 'JUSTID')
  else
    lost[#lost + 1] = ARGV[at]
  end
end
return lost
`);

/**
 * ARGV: milliseconds, limit. Takes over entries that have been idle for so long, as one more delivery.
 * Answers {id, deliveries, fields} of each; entries that are trimmed away are acknowledged.
 */
export const reclaimScript = script(`
local idle, limit = tonumber(ARGV[3]), ARGV[4]
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], '-', '+', limit)
if pending.err then pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', limit) end
local taken = {}
for _, one in ipairs(pending) do
  if one[3] >= idle then
    local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, one[1])[1]
    if entry then
      taken[#taken + 1] = {one[1], one[4] + 1, entry[2]}
    else
      redis.call('XACK', KEYS[1], ARGV[1], one[1])
    end
  end
end
return taken
`);

/** ARGV: id. Delivers an entry of the consumer once more; answers {id, deliveries, fields}, or nil when it is gone. */
export const redeliverScript = script(`
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)[1]
if not pending or pending[2] ~= ARGV[2] then return false end
local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3])[1]
if entry then return {ARGV[3], pending[4] + 1, entry[2]} end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
return false
`);

/**
 * ARGV: ids that the consumer knows of. Answers {id, deliveries, fields} of its other entries: their delivery got lost on
 * the way, so it is not counted again.
 */
export const recoverScript = script(`
local known = {}
for at = 3, #ARGV do known[ARGV[at]] = true end
local found = {}
for _, one in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 10000, ARGV[2])) do
  if not known[one[1]] then
    local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, one[1], 'RETRYCOUNT', one[4])[1]
    if entry then
      found[#found + 1] = {one[1], one[4], entry[2]}
    else
      redis.call('XACK', KEYS[1], ARGV[1], one[1])
    end
  end
end
return found
`);

/** ARGV: idle milliseconds, then pairs of id and deliveries. Lets others of the group take the consumer's entries over at once. */
export const giveBackScript = script(`
for at = 4, #ARGV, 2 do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[at], ARGV[at], 1)[1]
  if pending and pending[2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[at], 'IDLE', ARGV[3], 'RETRYCOUNT', ARGV[at + 1], 'JUSTID')
  end
end
return 0
`);

/**
 * ARGV: idle milliseconds, start of the names that count. Forgets the consumer, if no entry is pending with it, and
 * likewise those that have not been heard of for so long. Deleting one with entries would lose them.
 */
export const forgetScript = script(`
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for at = 1, #info, 2 do consumer[info[at]] = info[at + 1] end
  local name = consumer.name
  local isOver = name == ARGV[2] or (consumer.idle > tonumber(ARGV[3]) and string.sub(name, 1, #ARGV[4]) == ARGV[4])
  if consumer.pending == 0 and isOver then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], name) end
end
return 0
`);
