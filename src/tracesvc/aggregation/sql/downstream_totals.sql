-- What the cohort met downstream, each container once.
SELECT
    count(DISTINCT bar) AS stations,
    coalesce(sum(quantity), 0) AS input,
    coalesce(sum(rejected), 0) AS rejected,
    (SELECT count(DISTINCT lot_no) FROM station_lot SEMI JOIN cohort USING (lot_no)) AS tracked_lots
FROM station_node SEMI JOIN reached USING (node)
