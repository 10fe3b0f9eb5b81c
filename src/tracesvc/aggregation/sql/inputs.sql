-- What is taken in, as it comes. Quantities keep ten decimals; null, unparsable or beyond 10^18 is 0.
CREATE TABLE about (scope JSON, domains_complete JSON, lineage_complete BOOLEAN);
CREATE TABLE groups (name VARCHAR, place INTEGER);
CREATE TABLE in_lots (
    container_id VARCHAR, container_name VARCHAR, equipment_id VARCHAR, equipment_name VARCHAR,
    workcenter VARCHAR, spec VARCHAR, track_in TIMESTAMP, input DECIMAL(28, 10), pj_type VARCHAR, package VARCHAR
);
CREATE TABLE in_rejects (container_id VARCHAR, loss_reason VARCHAR, quantity DECIMAL(28, 10));
CREATE TABLE in_workflows (container_id VARCHAR, workflow VARCHAR);
CREATE TABLE in_families (equipment_id VARCHAR, equipment_name VARCHAR, family VARCHAR);
CREATE TABLE in_members (seed_id VARCHAR, container_id VARCHAR);
CREATE TABLE in_roots (seed_id VARCHAR, root VARCHAR);
CREATE TABLE in_upstream_history (
    container_id VARCHAR, workcenter VARCHAR, workcenter_group VARCHAR, equipment_id VARCHAR,
    equipment_name VARCHAR, quantity DECIMAL(28, 10)
);
CREATE TABLE in_materials (container_id VARCHAR, part VARCHAR, lot VARCHAR);
CREATE TABLE in_downstream_rejects (
    container_id VARCHAR, workcenter VARCHAR, workcenter_group VARCHAR, loss_reason VARCHAR,
    equipment_name VARCHAR, quantity DECIMAL(28, 10)
);
