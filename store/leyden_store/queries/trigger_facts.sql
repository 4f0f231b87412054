-- What a trigger's condition may speak of: the rollouts its query selects now (`{selection}`), beside those selected when it
-- last trained (`{firing:String}`, '' when it never has). A trace that names no rollout is one of its own.
WITH
    known AS
    (
        SELECT arrayJoin(Rollouts) FROM trigger_firings FINAL
        WHERE Trigger = {trigger:String} AND FiringId = {firing:String}
    ),
    scored AS
    (
        SELECT RolloutId, TraceId, Value FROM rewards FINAL WHERE Name = {reward:String}
    ),
    selected AS
    (
        SELECT if(max(RolloutId) != '', max(RolloutId), TraceId) AS rollout, TraceId AS trace, uniqIfMerge(LlmSpans) AS llm
        FROM traces
        WHERE TraceId IN ({selection})
        GROUP BY TraceId
    ),
    judged AS
    (
        SELECT
            rollout, trace, llm, cityHash64(rollout) AS hash,
            rollout IN (SELECT RolloutId FROM scored) OR trace IN (SELECT TraceId FROM scored) AS has_reward
        FROM selected
    )
SELECT
    uniqExact(rollout) AS rollouts,
    uniqExactIf(rollout, hash NOT IN (known)) AS new_rollouts,
    sum(llm) AS llm_spans,
    uniqExactIf(rollout, has_reward) AS rewarded,
    uniqExactIf(rollout, has_reward AND hash NOT IN (known)) AS new_rewarded,
    (
        SELECT ifNotFinite(avg(Value), 0) FROM scored
        WHERE (RolloutId != '' AND RolloutId IN (SELECT rollout FROM selected)) OR TraceId IN (SELECT trace FROM selected)
    ) AS mean_reward,
    groupUniqArray(hash) AS hashes
FROM judged
