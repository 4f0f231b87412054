-- Collector, What was not stored: refused, rejected, dropped by rules and set aside, each by its reason.
SELECT
    replaceRegexpAll(Name, '^leyden_collector_|_total$', '') AS "What",
    arrayStringConcat(arrayMap((k, v) -> concat(k, ' ', v), mapKeys(Labels), mapValues(Labels)), ', ') AS "Why",
    sum(rise) AS "How many"
FROM ({rise})
WHERE match(Name, '_(rejected|refused|dropped|failed)_total$') OR Name = 'leyden_collector_quarantined_total'
GROUP BY "What", "Why"
HAVING "How many" > 0 OR "What" = 'quarantined'
ORDER BY "How many" DESC, "What", "Why"
LIMIT 200
