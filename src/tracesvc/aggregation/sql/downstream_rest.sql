-- All bars of a downstream dimension but those shown, as one.
SELECT count(DISTINCT bar) AS bars, any_value(lots) AS lot_count, sum(quantity) AS input, sum(rejected) AS defects
FROM {dimension}_node SEMI JOIN reached USING (node)
CROSS JOIN (
    SELECT count(DISTINCT lot_no) AS lots
    FROM {dimension}_lot SEMI JOIN cohort USING (lot_no)
    WHERE NOT list_contains($shown::INTEGER[], bar)
)
WHERE NOT list_contains($shown::INTEGER[], bar)
