-- A week that is over becomes one part, as a day of spans does: who looks for one trace asks the index of every part.

ALTER TABLE traces MODIFY SETTING
    min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1;

ALTER TABLE otel_traces_trace_id_ts MODIFY SETTING
    min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1;
