-- What one insert brings is one compact part: two files, where a wide one has hundreds, and making those costs the insert as
-- much as writing the spans. Merges make wide parts of them.

ALTER TABLE otel_traces MODIFY SETTING min_bytes_for_wide_part = 268435456;

ALTER TABLE traces MODIFY SETTING min_bytes_for_wide_part = 268435456;

ALTER TABLE otel_traces_trace_id_ts MODIFY SETTING min_bytes_for_wide_part = 268435456;
