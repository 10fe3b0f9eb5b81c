-- All bars of a downstream dimension but those shown, as one.
SELECT any_value(lots) AS lot_count, sum(quantity) AS input, sum(rejected) AS defects
FROM {dimension}_node SEMI JOIN reached USING (node)
CROSS JOIN (
    SELECT count(DISTINCT lot_no) AS lots
    FROM {dimension}_lot SEMI JOIN cohort USING (lot_no)
    WHERE bar NOT IN (SELECT unnest($shown::INTEGER[]))
)
WHERE bar NOT IN (SELECT unnest($shown::INTEGER[]))
