-- Rewards that spans carry: one row a gen_ai.evaluation.result event with a number in it.

CREATE MATERIALIZED VIEW IF NOT EXISTS rewards_mv TO rewards AS
SELECT
    Project,
    RolloutId,
    TraceId,
    SpanId,
    event.2['gen_ai.response.id'] AS ResponseId,
    if(event.2['gen_ai.evaluation.name'] != '', event.2['gen_ai.evaluation.name'], 'reward') AS Name,
    'span' AS Source,
    toFloat64OrNull(event.2['gen_ai.evaluation.score.value']) AS Value,
    event.2['gen_ai.evaluation.score.label'] AS Label,
    event.2['gen_ai.evaluation.explanation'] AS Explanation,
    event.3 AS Timestamp
FROM
(
    SELECT Project, RolloutId, TraceId, SpanId,
           arrayJoin(arrayFilter(e -> e.1 = 'gen_ai.evaluation.result',
                                 arrayZip(`Events.Name`, `Events.Attributes`, `Events.Timestamp`))) AS event
    FROM otel_traces
)
WHERE isNotNull(toFloat64OrNull(event.2['gen_ai.evaluation.score.value']));

-- Scores told in log records. One of a span counts as the span's; one that names but a reply counts as given from
-- outside, since no span will bring it when it is read.
CREATE MATERIALIZED VIEW IF NOT EXISTS rewards_logs_mv TO rewards AS
SELECT
    Project,
    RolloutId,
    TraceId,
    SpanId,
    LogAttributes['gen_ai.response.id'] AS ResponseId,
    if(LogAttributes['gen_ai.evaluation.name'] != '', LogAttributes['gen_ai.evaluation.name'], 'reward') AS Name,
    if(SpanId != '', 'span', 'log') AS Source,
    toFloat64OrNull(LogAttributes['gen_ai.evaluation.score.value']) AS Value,
    LogAttributes['gen_ai.evaluation.score.label'] AS Label,
    LogAttributes['gen_ai.evaluation.explanation'] AS Explanation,
    Timestamp
FROM otel_logs
WHERE EventName = 'gen_ai.evaluation.result' AND isNotNull(toFloat64OrNull(LogAttributes['gen_ai.evaluation.score.value']));
