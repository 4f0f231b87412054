-- Asked by the run variable: `runs`, a small table.
SELECT RunId FROM runs FINAL WHERE $__timeFilter(StartedAt) ORDER BY StartedAt DESC, RunId LIMIT 200
