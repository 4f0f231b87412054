-- The hours of the time range in the key of `traces`, and the one before: a trace may have begun in it.
Hour >= toStartOfHour($__fromTime) - INTERVAL 1 HOUR AND Hour <= $__toTime
