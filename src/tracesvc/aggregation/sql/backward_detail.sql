-- One row per lot and chosen reason; a lot without one has a row of zeros.
SELECT
    lot.container_id, lot.container_name, lot.track_in, lot.equipment_name, lot.equipment_id, lot.workcenter,
    lot.spec, lot.workflow, lot.package, lot.pj_type, lot.root, lot.ancestor_count, lot.input AS input_qty,
    chosen.loss_reason, coalesce(chosen.quantity, 0) AS defect_qty
FROM cohort
JOIN lot USING (lot_no)
LEFT JOIN (
    SELECT * FROM lot_reason
    WHERE $loss_reasons::VARCHAR[] IS NULL OR list_contains($loss_reasons::VARCHAR[], loss_reason)
) AS chosen USING (lot_no)
ORDER BY {sort} {order} NULLS LAST, lot_no, chosen.loss_reason
LIMIT $limit OFFSET $offset
