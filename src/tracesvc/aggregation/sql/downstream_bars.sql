-- The bars of a downstream dimension: what went in and came off, each container once, and the lots that got there.
SELECT {dimension}.*, lot_count, input, defects, count(*) OVER () AS bar_count
FROM (SELECT bar, count(*) AS lot_count FROM {dimension}_lot SEMI JOIN cohort USING (lot_no) GROUP BY bar)
JOIN (
    SELECT bar, sum(quantity) AS input, sum(rejected) AS defects
    FROM {dimension}_node SEMI JOIN reached USING (node)
    GROUP BY bar
) USING (bar)
JOIN {dimension} USING (bar)
ORDER BY defects DESC, bar
LIMIT $most
