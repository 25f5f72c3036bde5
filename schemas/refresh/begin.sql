-- The clock of the server, how far everything is counted, and the last finished run under the same rules.
SELECT
    toUInt64(toUnixTimestamp64Micro(now64(6))) AS run,
    toInt64(greatest(0, ifNull(toUnixTimestamp64Milli((SELECT t.complete_through FROM v_complete_through AS t)), 0))) AS complete_through_ms,
    toInt64(ifNull((SELECT intDiv(max(r.run), 1000) FROM refresh_runs AS r WHERE r.rules = {{rules}}), 0)) AS last_began_ms,
    toInt64(ifNull((SELECT toUnixTimestamp64Milli(argMax(r.complete_through, r.run)) FROM refresh_runs AS r WHERE r.rules = {{rules}}), 0)) AS last_complete_through_ms;
