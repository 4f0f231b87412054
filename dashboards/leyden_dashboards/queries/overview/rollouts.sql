-- Overview, Rollouts.
SELECT count() AS "Rollouts" FROM ({rollouts})
