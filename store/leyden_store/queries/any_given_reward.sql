-- Whether any reward was given from outside; a row if so. Where none was, `rewards.sql` need not be asked, whose planning
-- takes ten times as long for a batch's ids.
SELECT 1 AS given FROM rewards WHERE Source != 'span' LIMIT 1
