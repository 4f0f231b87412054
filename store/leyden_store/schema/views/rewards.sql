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
