-- The chosen rollouts' traces, a row each, with the rollout's reward.
SELECT arrayJoin(trace_ids) AS trace_id, rollout, agent, project, reward FROM ({rollouts})
