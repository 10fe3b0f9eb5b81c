-- All bars of a dimension but those shown, as one: its lots are distinct too.
SELECT count(*) AS lot_count, sum(input) AS input, sum(defects) AS defects
FROM cohort
SEMI JOIN (SELECT lot_no FROM {dimension}_lot WHERE bar NOT IN (SELECT unnest($shown::INTEGER[]))) USING (lot_no)
