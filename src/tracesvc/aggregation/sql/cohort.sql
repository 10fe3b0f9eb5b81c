-- The lots that the filters leave, with their defects of the chosen reasons.
CREATE OR REPLACE TEMP TABLE cohort AS
SELECT lot_no, input, coalesce(defects, 0)::DECIMAL(38, 10) AS defects
FROM lot
LEFT JOIN (
    SELECT lot_no, sum(quantity) AS defects
    FROM lot_reason
    WHERE $loss_reasons::VARCHAR[] IS NULL OR list_contains($loss_reasons::VARCHAR[], loss_reason)
    GROUP BY ALL
) USING (lot_no)
WHERE ($pj_types::VARCHAR[] IS NULL OR list_contains($pj_types::VARCHAR[], coalesce(pj_type, '(未知)')))
    AND ($packages::VARCHAR[] IS NULL OR list_contains($packages::VARCHAR[], coalesce(package, '(未知)')));
