-- Whether any log record is stored; a row if so. Where none is, `logs.sql` need not be asked of every batch.
SELECT 1 AS stored FROM otel_logs LIMIT 1
