-- What each table takes on disk, and what it would without compression; rows count retries that are not folded yet, and in
-- a cluster each replica's.
SELECT
    replaceRegexpOne(table, '_local$', '') AS name, sum(rows) AS rows, sum(bytes_on_disk) AS bytes_on_disk,
    sum(data_uncompressed_bytes) AS uncompressed_bytes, count() AS parts
FROM {parts}
WHERE active AND database = currentDatabase()
GROUP BY name
ORDER BY bytes_on_disk DESC
