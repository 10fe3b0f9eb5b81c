-- One row per lot with defects of the chosen reasons: what became of it and of its descendants downstream.
SELECT
    lot.container_id, lot.container_name, lot.track_in, lot.equipment_name, lot.equipment_id, lot.workcenter,
    lot.spec, lot.package, lot.pj_type, lot.input AS input_qty, cohort.defects AS defect_qty,
    coalesce(station_count, 0) AS station_count, coalesce(rejected, 0) AS reject_qty, worst_station
FROM cohort
JOIN lot USING (lot_no)
LEFT JOIN lot_downstream USING (lot_no)
WHERE cohort.defects > 0
ORDER BY {sort} {order} NULLS LAST, lot_no
LIMIT $limit OFFSET $offset
