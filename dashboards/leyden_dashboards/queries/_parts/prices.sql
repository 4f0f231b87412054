-- Every model's prices by the day they hold from, newest first, as the view `turn_costs` has them: for a WITH.
(
    SELECT groupArray((Model, Days))
    FROM
    (
        SELECT Model, arrayReverseSort(day -> day.1, groupArray((Since, Input, Cached, Output, Reasoning, 1))) AS Days
        FROM model_prices FINAL
        WHERE NOT Removed
          AND (Source = 'config' OR Model NOT IN (SELECT Model FROM model_prices FINAL WHERE Source = 'config' AND NOT Removed))
        GROUP BY Model
    )
) AS prices,
-- The first list is empty: it is of every model without a price.
arrayPushFront(arrayMap(price -> price.1, prices), '') AS models,
arrayPushFront(arrayMap(price -> price.2, prices), []) AS lists,
lower(toString(model)) AS name,
replaceRegexpOne(
    replaceRegexpOne(name, '^(.*/)?((us|eu|apac|global)\\.)?(anthropic\\.)?', ''),
    '([-@:](\\d\\d\\d\\d-\\d\\d-\\d\\d|\\d\\d\\d\\d\\d\\d\\d\\d|\\d\\d\\d|latest|v\\d+(:\\d+)?))+$', '') AS alike,
arrayFirst(since -> since.1 <= day, lists[transform(name, models, range(1, length(models) + 1), 1)]) AS of_name,
arrayFirst(since -> since.1 <= day, lists[transform(alike, models, range(1, length(models) + 1), 1)]) AS of_alike,
if(of_name.6 = 1, of_name, of_alike) AS price,
-- What the group of calls costs: what some say themselves, and the price of the others' tokens.
recorded + if(price.6 = 1, ((tokens_in - tokens_cached) * price.2 + tokens_cached * price.3
                            + (tokens_out - tokens_reasoned) * price.4 + tokens_reasoned * price.5) / 1000000, 0) AS dollars,
price.6 = 1 AS has_price
