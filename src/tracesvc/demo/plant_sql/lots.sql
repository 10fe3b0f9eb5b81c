-- The containers: wafers (W), upstream lots (C), assembly lots (A) and rework lots (D), by kind and index in it.
-- Variables: seed, containers, wafers, upstream, assembly, rework.

CREATE TEMP MACRO order_start(kind_days, ord, orders) AS
    TIMESTAMP '2025-07-01 08:00:00' + to_days(kind_days::INTEGER)
    + to_seconds(ord * 202 * 86400 // greatest(orders, 1));
CREATE TEMP MACRO order_name(prefix, start, ord) AS
    prefix || strftime(start, '%y%m') || lpad((ord + 1)::VARCHAR, 4, '0');

CREATE TEMP MACRO wafer_name(w) AS 'WFK-' || lpad(w::VARCHAR, 6, '0');

-- Orders of 104, 116 and 140 assembly lots in turn: `ord` and the lot's place in it, `place`.
CREATE TEMP TABLE assembly_place AS
SELECT
    j, j // 360 * 3 + CASE WHEN j % 360 < 104 THEN 0 WHEN j % 360 < 220 THEN 1 ELSE 2 END AS ord,
    j % 360 - CASE WHEN j % 360 < 104 THEN 0 WHEN j % 360 < 220 THEN 104 ELSE 220 END AS place
FROM range(getvariable('assembly')) AS t (j);

CREATE TEMP TABLE assembly_order AS
SELECT
    ord, count(*) AS lots, order_start(7, ord, count(*) OVER ()) AS start,
    rnd(ord, 'package', 6) AS package, pick(ord, 'qty', [43200, 21600, 60000, 36000, 14400, 8000]) AS qty
FROM assembly_place GROUP BY ord;

-- Six places form a group; in half of the groups the 2-5 lots before the last go into the last.
CREATE TEMP TABLE assembly AS
SELECT
    p.j, p.ord, p.place, p.place // 6 AS grp, p.place % 6 AS pos, o.start, o.package, o.qty,
    order_name('GA', o.start, p.ord) AS order_name,
    p.place // 6 * 6 + 5 < o.lots AND rnd(p.ord * 64 + p.place // 6, 'merge', 2) = 0 AS merged,
    2 + rnd(p.ord * 64 + p.place // 6, 'sources', 4) AS sources,
    p.place > 0 AND p.place % 6 <> 5 AND rnd(p.j, 'child', 14) = 0 AS is_child,
    1 + rnd(p.j, 'parent', greatest(1, least(3, p.place))) AS parent_offset
FROM assembly_place AS p JOIN assembly_order AS o USING (ord);

-- One row a container before it has an id. The route is steps first_step..last_step, counted from base_step;
-- anchor is the assembly lot whose order, package and wafer it shares.
CREATE TEMP TABLE draft AS
SELECT
    'A' AS kind, j, j AS anchor, ord, order_name, start + to_seconds(place * 1500) AS created, qty,
    order_name || CASE WHEN is_child THEN '-A01-' ELSE '-A00-' END || lpad((place + 1)::VARCHAR, 3, '0') AS name,
    CASE WHEN merged AND pos = 5 THEN 13 WHEN is_child THEN 5 + rnd(j, 'from', 4) ELSE 0 END AS first_step,
    CASE WHEN merged AND pos < 5 AND pos >= 5 - sources THEN 12 ELSE 15 END AS last_step,
    0 AS base_step, CASE WHEN is_child THEN 'A' END AS parent_kind, j - parent_offset AS parent,
    CASE WHEN merged AND pos >= 5 - sources THEN
        'F' || substr(order_name, 3) || '-' || lpad(grp::VARCHAR, 3, '0') END AS runcard
FROM assembly
UNION ALL
SELECT
    'W', w, a.j, a.ord, NULL, a.start - to_days(6) + to_seconds(rnd(w, 'wafer', 86400)), 25000,
    wafer_name(w), 0, 1, 0, NULL, NULL, NULL
FROM range(getvariable('wafers')) AS t (w)
JOIN assembly AS a ON a.j = w * getvariable('assembly') // getvariable('wafers')
UNION ALL
SELECT
    'C', c, a.j, c // 110, order_name('GC', order_start(2, c // 110, getvariable('upstream') // 110 + 1), c // 110),
    a.start - to_days(4) + to_seconds(rnd(c, 'upstream', 86400)), a.qty,
    order_name('GC', order_start(2, c // 110, getvariable('upstream') // 110 + 1), c // 110)
    || '-A00-' || lpad((c % 110 + 1)::VARCHAR, 3, '0'), 0, 4, 0, NULL, NULL, NULL
FROM range(getvariable('upstream')) AS t (c)
JOIN assembly AS a ON a.j = c * getvariable('assembly') // getvariable('upstream')
UNION ALL
SELECT
    'D', d, a.j, d // 105, order_name('GD', order_start(19, d // 105, getvariable('rework') // 105 + 1), d // 105),
    a.start + to_days(12) + to_seconds(rnd(d, 'rework', 86400)), a.qty // 10,
    order_name('GD', order_start(19, d // 105, getvariable('rework') // 105 + 1), d // 105)
    || '-A00-' || lpad((d % 105 + 1)::VARCHAR, 3, '0'), 9, 15, 9, 'A', a.j, NULL
FROM range(getvariable('rework')) AS t (d)
JOIN assembly AS a ON a.j = d * getvariable('assembly') * 9 // (getvariable('rework') * 10);

-- Ids follow the time of creation, so the history of neighbouring ids lies close together in time as well.
CREATE TEMP TABLE lot AS
SELECT
    row_number() OVER (ORDER BY d.created, d.kind, d.j) - 1 AS rn, d.*, a.package, p.package_name, p.type,
    rnd(d.j, d.kind, 100) < 3 AS silent,
    -- Wafer lots are shared by about 45 assembly lots; a plant too small for a wafer knows them by name only.
    wafer_name(d.anchor * getvariable('wafers') // getvariable('assembly')) AS wafer
FROM draft AS d JOIN assembly AS a ON a.j = d.anchor JOIN package AS p USING (package);

-- An order runs all of its lots through the same stations.
CREATE TEMP TABLE route AS
SELECT ord, step, share, pick(ord * 16 + step, 'station', stations) AS station
FROM (SELECT DISTINCT ord FROM lot) CROSS JOIN step;

CREATE TEMP TABLE lot_key AS SELECT kind, j, rn, name FROM lot;

INSERT INTO DWH.DW_MES_CONTAINER
SELECT
    container_id(l.rn), padded(l.rn, 'name', l.name), CASE l.kind WHEN 'W' THEN l.name ELSE l.wafer END,
    l.order_name, CASE l.kind WHEN 'W' THEN 'WAFER' ELSE 'LOT' END,
    CASE WHEN rnd(l.rn, 'type', 200) > 0 THEN padded(l.rn, 'type pad', l.type) END,
    CASE WHEN rnd(l.rn, 'bop', 100) > 0 THEN p.bop END, p.function,
    p.package_name || '-' || lpad((l.ord % 90)::VARCHAR, 2, '0')
    || CASE WHEN rnd(l.ord, 'family', 9) = 0 THEN '（車用）' ELSE '' END,
    CASE WHEN rnd(l.rn, 'line', 300) > 0 THEN l.package_name END,
    s.name || '_' || l.package_name,
    CASE WHEN l.kind = 'D' AND rnd(l.j, 'original', 8) > 0 THEN container_id(parent.rn) END,
    CASE
        -- A data error the plant is known for: two lots that claim to be split from each other.
        WHEN l.kind = 'A' AND l.j IN (10, 11) THEN container_id(twin.rn)
        WHEN l.kind = 'A' AND l.parent_kind IS NOT NULL THEN container_id(parent.rn)
        WHEN l.kind = 'A' AND rnd(l.j, 'upstream', 10) < 3 THEN container_id(upstream.rn)
        WHEN l.kind = 'D' AND rnd(l.j, 'original', 8) = 0 THEN container_id(parent.rn)
    END,
    l.qty
FROM lot AS l
JOIN package AS p USING (package)
JOIN (SELECT step, min_by(name, station) AS name FROM station GROUP BY step) AS s ON s.step = l.last_step
LEFT JOIN lot_key AS parent ON parent.kind = l.parent_kind AND parent.j = l.parent
LEFT JOIN lot_key AS twin ON twin.kind = 'A' AND l.kind = 'A' AND l.j IN (10, 11) AND twin.j = 21 - l.j
LEFT JOIN lot_key AS upstream
    ON upstream.kind = 'C' AND upstream.j = l.anchor * getvariable('upstream') // getvariable('assembly')
ORDER BY l.rn;

-- A finished lot is now and then itself one of the lots of the next group.
INSERT INTO DWH.DW_MES_PJ_COMBINEDASSYLOTS
SELECT container_id(source.rn), source.name, finished.runcard, container_id(finished.rn), finished.order_name
FROM assembly AS a
JOIN assembly AS f
    ON f.ord = a.ord AND f.pos = 5 AND f.merged
    AND (f.grp = a.grp AND a.pos < 5 AND a.pos >= 5 - f.sources
        OR f.grp = a.grp + 1 AND a.pos = 5 AND a.merged AND f.sources < 5 AND rnd(a.j, 'again', 4) = 0)
JOIN lot AS source ON source.kind = 'A' AND source.j = a.j
JOIN lot AS finished ON finished.kind = 'A' AND finished.j = f.j
ORDER BY source.rn, finished.rn;

INSERT INTO DWH.DW_MES_WIP
SELECT
    container_id(rn), name,
    package_name || pick(ord, 'flow', ['_標準流程', '_FLOW-A', '_車規流程']) || '_V' || n, package_name,
    created + to_days(4 * n - 3) AS txn
FROM lot, range(1, 3) AS t (n)
WHERE kind <> 'W' AND created + to_days(4 * n - 3) <= plant_end()
ORDER BY txn, rn, n;
