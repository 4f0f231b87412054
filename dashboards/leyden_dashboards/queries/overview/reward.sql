-- Overview, Mean reward.
SELECT avgOrNull(reward) AS "Mean reward" FROM ({rollouts})
