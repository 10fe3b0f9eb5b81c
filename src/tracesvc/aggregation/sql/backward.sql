-- Further dimensions that a lot has one value of.
CREATE TABLE wafer_root AS
SELECT row_number() OVER (ORDER BY root)::INTEGER AS bar, root AS name, root FROM (SELECT DISTINCT root FROM lot);
CREATE TABLE wafer_root_lot AS SELECT bar, lot_no FROM lot JOIN wafer_root USING (root);

CREATE TABLE workflow AS
SELECT row_number() OVER (ORDER BY name, workflow NULLS LAST)::INTEGER AS bar, *
FROM (SELECT DISTINCT coalesce(workflow, '(未知)') AS name, workflow FROM lot);
CREATE TABLE workflow_lot AS
SELECT bar, lot_no FROM lot JOIN workflow AS d ON d.workflow IS NOT DISTINCT FROM lot.workflow;

CREATE TABLE package AS
SELECT row_number() OVER (ORDER BY name, package NULLS LAST)::INTEGER AS bar, *
FROM (SELECT DISTINCT coalesce(package, '(未知)') AS name, package FROM lot);
CREATE TABLE package_lot AS
SELECT bar, lot_no FROM lot JOIN package AS d ON d.package IS NOT DISTINCT FROM lot.package;

CREATE TABLE type AS
SELECT row_number() OVER (ORDER BY name, pj_type NULLS LAST)::INTEGER AS bar, *
FROM (SELECT DISTINCT coalesce(pj_type, '(未知)') AS name, pj_type FROM lot);
CREATE TABLE type_lot AS
SELECT bar, lot_no FROM lot JOIN type AS d ON d.pj_type IS NOT DISTINCT FROM lot.pj_type;

-- Machines upstream of the detection station: every record of a lot or of its ancestors adds the lot to
-- (group, equipment name, equipment id). Those of no group, by their workcentre, stand apart.
CREATE TABLE upstream AS
SELECT
    node, groups.name AS workcenter_group, if(groups.name IS NULL, workcenter, NULL) AS workcenter,
    equipment_name, equipment_id
FROM in_upstream_history
JOIN node USING (container_id)
LEFT JOIN groups ON groups.name = workcenter_group
WHERE place IS NULL OR place < getvariable('detection_place');
CREATE TABLE any_machine AS
SELECT
    row_number() OVER (ORDER BY
        workcenter_group IS NULL, name, workcenter_group, workcenter NULLS LAST, equipment_name NULLS LAST,
        equipment_id NULLS LAST
    )::INTEGER AS bar,
    * REPLACE (coalesce(resource_family, '(未知)') AS resource_family)
FROM (
    SELECT DISTINCT
        coalesce(equipment_name, '(NA)') AS name, workcenter_group, workcenter, equipment_name, equipment_id
    FROM upstream
)
LEFT JOIN (
    SELECT equipment_id, min(family) AS resource_family FROM in_families WHERE equipment_id IS NOT NULL GROUP BY ALL
) USING (equipment_id);
CREATE TABLE any_machine_lot AS
SELECT DISTINCT bar, lot_no
FROM (
    SELECT DISTINCT bar, node
    FROM upstream AS u JOIN any_machine AS d
        ON d.workcenter_group IS NOT DISTINCT FROM u.workcenter_group
        AND d.workcenter IS NOT DISTINCT FROM u.workcenter
        AND d.equipment_name IS NOT DISTINCT FROM u.equipment_name
        AND d.equipment_id IS NOT DISTINCT FROM u.equipment_id
)
JOIN member USING (node);
CREATE TABLE machine AS SELECT * EXCLUDE (workcenter) FROM any_machine WHERE workcenter_group IS NOT NULL;
CREATE TABLE machine_lot AS SELECT * FROM any_machine_lot SEMI JOIN machine USING (bar);
CREATE TABLE unclassified AS SELECT * EXCLUDE (workcenter_group) FROM any_machine WHERE workcenter_group IS NULL;
CREATE TABLE unclassified_lot AS SELECT * FROM any_machine_lot SEMI JOIN unclassified USING (bar);
DROP TABLE upstream;
DROP TABLE any_machine;
DROP TABLE any_machine_lot;

-- Materials that went into a lot or its ancestors, wherever on the route, by (part, lot).
CREATE TABLE material AS
SELECT row_number() OVER (ORDER BY name, part NULLS LAST, lot NULLS LAST)::INTEGER AS bar, *
FROM (
    SELECT DISTINCT
        coalesce(part, '(未知)') || if(lot IS NULL, '', ' (' || lot || ')') AS name, part, lot
    FROM in_materials
    SEMI JOIN node USING (container_id)
);
CREATE TABLE material_lot AS
SELECT DISTINCT bar, lot_no
FROM (
    SELECT DISTINCT bar, node
    FROM in_materials AS m
    JOIN node USING (container_id)
    JOIN material AS d ON d.part IS NOT DISTINCT FROM m.part AND d.lot IS NOT DISTINCT FROM m.lot
)
JOIN member USING (node);
