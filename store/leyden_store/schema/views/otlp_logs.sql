-- OTLP logs in: like otlp_traces.sql, an insert in FORMAT Protobuf (schema/otlp_logs.proto), flattened by a view.

CREATE TABLE IF NOT EXISTS otlp_logs
(
    resource_logs Array(Tuple(
        resource Tuple(attributes Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String)))),
        scope_logs Array(Tuple(
            scope Tuple(name String, version String),
            log_records Array(Tuple(
                time_unix_nano UInt64,
                severity_number Int32,
                severity_text String,
                body Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String),
                attributes Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String))),
                flags UInt32,
                trace_id String,
                span_id String,
                observed_time_unix_nano UInt64,
                event_name String))))))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_logs_mv TO otel_logs AS
SELECT
    leyden_time(if(record.time_unix_nano != 0, record.time_unix_nano, record.observed_time_unix_nano)) AS Timestamp,
    replaceRegexpOne(lower(hex(record.trace_id)), '^0+$', '') AS TraceId,
    replaceRegexpOne(lower(hex(record.span_id)), '^0+$', '') AS SpanId,
    record.flags AS TraceFlags,
    record.severity_text AS SeverityText,
    record.severity_number AS SeverityNumber,
    ResourceAttributes['service.name'] AS ServiceName,
    leyden_text(record.body) AS Body,
    ResourceAttributes,
    scope_logs.scope.name AS ScopeName,
    scope_logs.scope.version AS ScopeVersion,
    leyden_texts(record.attributes) AS LogAttributes,
    if(record.event_name != '', record.event_name, LogAttributes['event.name']) AS EventName,
    if(ResourceAttributes['leyden.project'] != '', ResourceAttributes['leyden.project'], 'default') AS Project,
    if(LogAttributes['leyden.rollout.id'] != '', LogAttributes['leyden.rollout.id'], ResourceAttributes['leyden.rollout.id']) AS RolloutId,
    toString(record.body.value) AS BodyType,
    leyden_types(record.attributes) AS LogAttributeTypes,
    -- mapSort: the order of attributes says nothing.
    reinterpretAsUInt128(sipHash128(Body, BodyType, toString(mapSort(LogAttributes)), toString(mapSort(LogAttributeTypes)))) AS RecordHash
FROM
(
    SELECT ResourceAttributes, scope_logs, arrayJoin(scope_logs.log_records) AS record
    FROM
    (
        SELECT leyden_texts(resource_logs.resource.attributes) AS ResourceAttributes,
               arrayJoin(resource_logs.scope_logs) AS scope_logs
        FROM (SELECT arrayJoin(resource_logs) AS resource_logs FROM otlp_logs)
    )
)
WHERE NOT leyden_is_erased(TraceId, RolloutId, '');
