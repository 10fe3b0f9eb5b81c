-- The bars of a dimension, largest defects first, ties by name: lots are distinct per bar, each with all it has.
SELECT {dimension}.*, lot_count, input, defects, count(*) OVER () AS bar_count
FROM (
    SELECT bar, count(*) AS lot_count, sum(input) AS input, sum(defects) AS defects
    FROM {dimension}_lot JOIN cohort USING (lot_no)
    GROUP BY bar
)
JOIN {dimension} USING (bar)
ORDER BY defects DESC, bar
LIMIT $most
