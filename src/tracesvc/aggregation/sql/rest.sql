-- All bars of a dimension but those shown, as one: its lots are distinct too.
SELECT
    (SELECT count(DISTINCT bar) FROM {dimension}_lot SEMI JOIN cohort USING (lot_no)) - len($shown::INTEGER[]) AS bars,
    count(*) AS lot_count, sum(input) AS input, sum(defects) AS defects
FROM cohort
WHERE lot_no IN (SELECT lot_no FROM {dimension}_lot WHERE NOT list_contains($shown::INTEGER[], bar))
