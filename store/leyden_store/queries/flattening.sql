-- How OTLP is flattened: the query of the view on the landing table, the columns it gives, and those that it reads, as
-- the structure of a table function.
SELECT
    (SELECT as_select FROM system.tables WHERE database = currentDatabase() AND name = 'otlp_trace_requests_mv') AS query,
    (
        SELECT arrayStringConcat(groupArray(concat('`', name, '`')), ', ')
        FROM system.columns WHERE database = currentDatabase() AND table = 'otlp_trace_requests_mv'
    ) AS given,
    (
        SELECT arrayStringConcat(groupArray(concat('`', name, '` ', type)), ', ')
        FROM system.columns WHERE database = currentDatabase() AND table = 'otlp_trace_requests'
    ) AS structure
