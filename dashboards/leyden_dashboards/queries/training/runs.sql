-- Training, Runs begun: `runs`, a small table.
SELECT
    StartedAt AS "Started",
    RunId AS "Run",
    Status AS "Status",
    round(Progress, 2) AS "Progress",
    Trainer AS "Trainer",
    Model AS "Model",
    if(Query != '', concat(Query, ' v', toString(QueryVersion)), Sql) AS "Data",
    Spans AS "LLM spans",
    JSONExtractUInt(Report, 'kept') / nullIf(JSONExtractUInt(Report, 'llm_spans'), 0) AS "Kept",
    dateDiff('millisecond', StartedAt, ifNull(EndedAt, now64(3))) / 1e3 AS "Duration",
    Checkpoint AS "Checkpoint",
    Error AS "Error"
FROM runs FINAL
WHERE $__timeFilter(StartedAt)
ORDER BY StartedAt DESC, RunId
LIMIT 200
