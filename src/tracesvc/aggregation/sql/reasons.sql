-- The chosen loss reasons of the cohort, largest first.
SELECT loss_reason AS name, loss_reason, count(*) AS lot_count, sum(quantity) AS defects
FROM lot_reason SEMI JOIN cohort USING (lot_no)
WHERE $loss_reasons::VARCHAR[] IS NULL OR list_contains($loss_reasons::VARCHAR[], loss_reason)
GROUP BY loss_reason
ORDER BY defects DESC, name
