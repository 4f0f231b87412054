-- How many of the chosen rollouts used each model, and their mean reward.
SELECT arrayJoin(models) AS model, count() AS rollouts, avg(reward) AS mean_reward FROM ({rewarded_rollouts}) GROUP BY model
