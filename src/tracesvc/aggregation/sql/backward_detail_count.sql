-- Detail rows: one per (lot, chosen reason), one for a lot without.
SELECT coalesce(sum(greatest(1, coalesce(reasons, 0))), 0)::BIGINT AS total
FROM cohort LEFT JOIN (
    SELECT lot_no, count(*) AS reasons
    FROM lot_reason
    WHERE $loss_reasons::VARCHAR[] IS NULL OR list_contains($loss_reasons::VARCHAR[], loss_reason)
    GROUP BY ALL
) USING (lot_no)
