-- The chosen rollouts' traces, a row each, with the rollout's reward.
SELECT arrayJoin(traces) AS trace, rollout, reward FROM ({rewarded_rollouts})
