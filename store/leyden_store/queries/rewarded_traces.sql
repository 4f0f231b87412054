-- Traces with a score in a range, on themselves or on their rollout: a filter of lists. No name means any score.
SELECT TraceId FROM traces
WHERE TraceId IN (
        SELECT TraceId FROM rewards FINAL
        WHERE TraceId != '' AND ({reward:String} = '' OR Name = {reward:String})
          AND Value BETWEEN {min_reward:Float64} AND {max_reward:Float64})
   OR (RolloutId != '' AND RolloutId IN (
        SELECT RolloutId FROM rewards FINAL
        WHERE ({reward:String} = '' OR Name = {reward:String})
          AND Value BETWEEN {min_reward:Float64} AND {max_reward:Float64}))
