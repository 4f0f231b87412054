-- Overview, Mean reward.
SELECT avgOrNull(reward) AS "Mean reward" FROM ({rewarded_rollouts})
