-- One reward of many scores in `rewards`: those named `reward`, or all if none is. NULL would be no reward; it is never 0.
toNullable(if(countIf(Name = 'reward') > 0, avgIf(Value, Name = 'reward'), avg(Value)))
