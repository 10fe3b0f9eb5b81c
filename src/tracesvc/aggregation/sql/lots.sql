-- The lot table: per detection lot its input, machine, workflow, package, type, track-in and root; numbered by name.
CREATE TABLE lot AS
SELECT
    row_number() OVER (ORDER BY container_name NULLS LAST, container_id)::INTEGER AS lot_no,
    latest.* REPLACE (coalesce(input, 0) AS input),
    workflow,
    coalesce(root, container_name, container_id) AS root,
    0 AS ancestor_count
FROM (
    SELECT * FROM in_lots
    WHERE container_id IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY container_id ORDER BY track_in DESC NULLS LAST, equipment_name, equipment_id, input DESC
    ) = 1
) AS latest
LEFT JOIN (SELECT container_id, min(workflow) AS workflow FROM in_workflows GROUP BY ALL) USING (container_id)
LEFT JOIN (SELECT seed_id AS container_id, min(root) AS root FROM in_roots GROUP BY ALL) USING (container_id);

-- Its reasons, those with a quantity above zero.
CREATE TABLE lot_reason AS
SELECT lot_no, coalesce(loss_reason, '(未填寫)') AS loss_reason, sum(quantity) AS quantity
FROM in_rejects JOIN lot USING (container_id)
GROUP BY ALL
HAVING sum(quantity) > 0
ORDER BY lot_no;

-- Whose records count for which lot: its own, and those of its ancestors (backward) or descendants (forward).
CREATE TABLE node AS
SELECT container_id, row_number() OVER ()::INTEGER AS node
FROM (
    SELECT container_id FROM in_members WHERE container_id IS NOT NULL
    UNION SELECT container_id FROM lot
);
CREATE TABLE member AS
SELECT DISTINCT lot_no, node
FROM (
    SELECT seed_id, container_id FROM in_members
    UNION ALL SELECT container_id, container_id FROM lot
) AS pair
JOIN lot ON lot.container_id = pair.seed_id
JOIN node ON node.container_id = pair.container_id;
UPDATE lot SET ancestor_count = others
FROM (SELECT lot_no, count(*) - 1 AS others FROM member GROUP BY ALL) AS counted
WHERE counted.lot_no = lot.lot_no;

-- Dimensions that a lot has one value of. A dimension is a table of its bars (numbered by name, then by the key
-- fields) and one of the distinct (bar, lot).
CREATE TABLE detection_machine AS
SELECT
    row_number() OVER (ORDER BY name, equipment_name NULLS LAST, equipment_id NULLS LAST)::INTEGER AS bar, *
FROM (SELECT DISTINCT coalesce(equipment_name, '(NA)') AS name, equipment_name, equipment_id FROM lot);
CREATE TABLE detection_machine_lot AS
SELECT bar, lot_no
FROM lot JOIN detection_machine AS d
    ON d.equipment_name IS NOT DISTINCT FROM lot.equipment_name
    AND d.equipment_id IS NOT DISTINCT FROM lot.equipment_id;
