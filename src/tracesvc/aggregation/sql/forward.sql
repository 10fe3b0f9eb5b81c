-- Records after the detection station, or of no group; `quantity` went in, `rejected` came off there.
CREATE TABLE downstream AS
SELECT
    node, groups.name AS workcenter_group, place, if(groups.name IS NULL, workcenter, NULL) AS workcenter,
    equipment_name, loss_reason, quantity, rejected, is_reject
FROM (
    SELECT
        container_id, workcenter, workcenter_group, equipment_name, NULL AS loss_reason,
        coalesce(quantity, 0) AS quantity, 0::DECIMAL(28, 10) AS rejected, false AS is_reject
    FROM in_upstream_history
    UNION ALL
    SELECT
        container_id, workcenter, workcenter_group, equipment_name, coalesce(loss_reason, '(未填寫)'),
        0, coalesce(quantity, 0), true
    FROM in_downstream_rejects
)
JOIN node USING (container_id)
LEFT JOIN groups ON groups.name = workcenter_group
WHERE place IS NULL OR place > getvariable('detection_place');

-- A dimension here has its bars, the distinct (bar, lot), and what each container adds to a bar: a container
-- that several lots share counts once for all of them together.
CREATE TABLE any_station AS
SELECT
    row_number() OVER (ORDER BY workcenter_group IS NULL, name, workcenter_group, workcenter NULLS LAST)::INTEGER
        AS bar,
    *
FROM (
    SELECT DISTINCT
        coalesce(workcenter_group, workcenter, '(NA)') AS name, workcenter_group, workcenter
    FROM downstream
);
CREATE TABLE any_station_node AS
SELECT bar, node, sum(quantity) AS quantity, sum(rejected) AS rejected
FROM downstream AS r JOIN any_station AS d
    ON d.workcenter_group IS NOT DISTINCT FROM r.workcenter_group
    AND d.workcenter IS NOT DISTINCT FROM r.workcenter
GROUP BY ALL;
CREATE TABLE any_station_lot AS SELECT DISTINCT bar, lot_no FROM any_station_node JOIN member USING (node);
CREATE TABLE station AS SELECT * EXCLUDE (workcenter) FROM any_station WHERE workcenter_group IS NOT NULL;
CREATE TABLE station_lot AS SELECT * FROM any_station_lot SEMI JOIN station USING (bar);
CREATE TABLE station_node AS SELECT * FROM any_station_node SEMI JOIN station USING (bar);
CREATE TABLE unclassified AS
SELECT * EXCLUDE (workcenter_group) FROM any_station WHERE workcenter_group IS NULL;
CREATE TABLE unclassified_lot AS SELECT * FROM any_station_lot SEMI JOIN unclassified USING (bar);
CREATE TABLE unclassified_node AS SELECT * FROM any_station_node SEMI JOIN unclassified USING (bar);
DROP TABLE any_station;
DROP TABLE any_station_lot;
DROP TABLE any_station_node;

CREATE TABLE machine AS
SELECT row_number() OVER (ORDER BY name, workcenter_group, equipment_name NULLS LAST)::INTEGER AS bar, *
FROM (
    SELECT DISTINCT coalesce(equipment_name, '(NA)') AS name, workcenter_group, equipment_name
    FROM downstream WHERE place IS NOT NULL
);
CREATE TABLE machine_node AS
SELECT bar, node, sum(quantity) AS quantity, sum(rejected) AS rejected
FROM downstream AS r JOIN machine AS d
    ON d.workcenter_group = r.workcenter_group AND d.equipment_name IS NOT DISTINCT FROM r.equipment_name
GROUP BY ALL;
CREATE TABLE machine_lot AS SELECT DISTINCT bar, lot_no FROM machine_node JOIN member USING (node);

CREATE TABLE reason AS
SELECT row_number() OVER (ORDER BY loss_reason)::INTEGER AS bar, loss_reason AS name, loss_reason
FROM (SELECT DISTINCT loss_reason FROM downstream WHERE is_reject AND place IS NOT NULL);
CREATE TABLE reason_node AS
SELECT bar, node, 0::DECIMAL(38, 10) AS quantity, sum(rejected) AS rejected
FROM downstream AS r JOIN reason USING (loss_reason)
WHERE place IS NOT NULL
GROUP BY ALL;
CREATE TABLE reason_lot AS SELECT DISTINCT bar, lot_no FROM reason_node JOIN member USING (node);

-- Per lot, with its descendants: stations reached, rejects, and the station with most of them (ties by name).
CREATE TABLE lot_downstream AS
SELECT
    lot_no, count(*) AS station_count, sum(rejected) AS rejected,
    if(max(rejected) > 0, arg_min(name, (-rejected, bar)), NULL) AS worst_station
FROM (
    SELECT lot_no, bar, sum(rejected) AS rejected
    FROM station_node JOIN member USING (node)
    GROUP BY ALL
)
JOIN station USING (bar)
GROUP BY lot_no;
DROP TABLE downstream;
