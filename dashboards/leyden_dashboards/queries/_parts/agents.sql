-- The chosen traces' agents and rollouts.
SELECT trace, agent, cityHash64(if(rollout_id != '', rollout_id, trace_id)) AS rollout FROM ({traces})
