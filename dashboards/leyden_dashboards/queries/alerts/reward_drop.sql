-- Alert, Reward drop after a promotion: by how much the mean of `reward` since the newest promoted checkpoint is below the
-- day's before it; 0 where either has fewer than twenty scores.
WITH (SELECT max(EndedAt) FROM trigger_firings FINAL WHERE Promoted AND $__timeFilter(EndedAt)) AS promoted
SELECT if(
    countIf(Timestamp >= promoted) < 20 OR countIf(Timestamp < promoted) < 20, 0,
    avgIf(Value, Timestamp < promoted) - avgIf(Value, Timestamp >= promoted)) AS fallen
FROM rewards FINAL
WHERE Name = 'reward' AND Timestamp >= promoted - INTERVAL 1 DAY
