-- How much the store holds. Spans and traces are counted deduplicated, by FINAL: counting their ids takes ten times as
-- long and a gigabyte for ten million; bytes are what active parts take on disk.
SELECT
    (SELECT count() FROM otel_traces FINAL) AS spans,
    (SELECT uniqExact(TraceId) FROM traces) AS traces,
    (SELECT uniqExact(RolloutId) FROM traces WHERE RolloutId != '') AS rollouts,
    (SELECT count() FROM rewards FINAL) AS rewards,
    (SELECT count() FROM runs FINAL) AS runs,
    (SELECT sum(bytes_on_disk) FROM {parts} WHERE active AND database = currentDatabase()) AS bytes_on_disk,
    (SELECT count() FROM {parts} WHERE active AND database = currentDatabase()) AS parts,
    (SELECT sum(Spans) FROM erased_arrivals) AS erased_late
