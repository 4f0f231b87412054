-- Training, Data sets: a small table.
SELECT
    CreatedAt AS "Made",
    Format AS "Format",
    if(Query != '', concat(Query, ' v', toString(QueryVersion)), Sql) AS "Selection",
    Rows AS "Rows",
    Spans AS "LLM spans",
    arrayStringConcat(arrayMap(d -> concat(d.1, ' ', toString(d.2)), JSONExtractKeysAndValues(Report, 'dropped', 'UInt64')), ', ') AS "Left out",
    Path AS "Path"
FROM datasets FINAL
WHERE $__timeFilter(CreatedAt)
ORDER BY CreatedAt DESC, DatasetId
LIMIT 200
