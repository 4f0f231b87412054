-- Overview, Without errors.
SELECT avgOrNull(errors = 0) AS "Without errors" FROM ({rollouts})
