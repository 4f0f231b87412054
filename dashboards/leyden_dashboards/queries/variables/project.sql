-- Asked by the project variable: the summary `traces`, by Hour.
SELECT DISTINCT Project FROM traces WHERE {hours} ORDER BY Project LIMIT 500
