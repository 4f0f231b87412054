-- A merge of compact parts copies every row a column at a time, and most of a span's columns are empty: it cost as much as
-- three inserts. From 10 MiB on merges make wide parts, column by column, which takes less time and a fifth less disk; what
-- an insert brings stays one compact part, however large (min_level_for_wide_part).

ALTER TABLE otel_traces MODIFY SETTING
    min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1, vertical_merge_algorithm_min_rows_to_activate = 8192;
