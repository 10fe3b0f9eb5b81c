-- The shop floor: what does not depend on lots. Variables: seed, containers.

-- A number below n that hangs on nothing but the row's key, the salt and the seed, so that neither threads
-- nor slices can change a plant. hash() of several values mixes the last one in by XOR alone, which shows
-- between two salts or seeds: hashed once more.
CREATE TEMP MACRO rnd(key, salt, n) AS (hash(hash(key, salt, getvariable('seed'))) % n::UBIGINT)::BIGINT;
-- One of a list's elements.
CREATE TEMP MACRO pick(key, salt, options) AS options[1 + rnd(key, salt, len(options))];
-- Text that arrives blank-padded now and then: about one value in 256.
CREATE TEMP MACRO padded(key, salt, value) AS
    CASE rnd(key, salt, 256) WHEN 0 THEN value || '   ' ELSE value END;
CREATE TEMP MACRO container_id(rn) AS
    '48810380' || format('{:08x}', 1882112 + rn * 7 + rnd(rn, 'id', 7));
CREATE TEMP MACRO plant_end() AS TIMESTAMP '2026-01-31 23:59:59';

-- Stations along the route, at least one for every workcentre group and four that belong to none.
CREATE TEMP TABLE station AS
SELECT row_number() OVER () - 1 AS station, * FROM (VALUES
    (0, '切割', 'DS', '切割', 0), (0, '晶圓切割_DISCO', 'DSD', '切割', 0),
    (1, '二光檢', 'OPI', NULL, NULL),
    (2, '焊接_DB', 'DB', '焊接_DB', 1), (2, '焊_DB_料', 'DBM', '焊接_DB', 1),
    (2, '焊接_DB_02', 'DBX', '焊接_DB', 1),
    (3, '焊接_WB', 'WB', '焊接_WB', 2), (3, '焊_WB_銅線', 'WBC', '焊接_WB', 2),
    (4, '焊接_DW', 'DW', '焊接_DW', 3), (4, '焊_DW_01', 'DWA', '焊接_DW', 3),
    (5, '三光檢', 'TPI', NULL, NULL),
    (6, '成型', 'MD', '成型', 4), (6, '成型_自動', 'MDA', '成型', 4),
    (7, '去膠', 'DF', '去膠', 5), (7, '電解去膠', 'DFE', '去膠', 5),
    (8, '水吹砂', 'WJ', '水吹砂', 6), (8, '水吹砂_2F', 'WJB', '水吹砂', 6),
    (9, '掛鍍', 'PR', '電鍍', 7), (9, '滾鍍', 'PB', '電鍍', 7), (9, '條鍍', 'PS', '電鍍', 7),
    (9, '電鍍_純錫', 'PL', '電鍍', 7), (9, 'TOTAI', 'PT', '電鍍', 7), (9, 'Bandl_外包', 'PX', '電鍍', 7),
    (9, '補鍍', 'PA', '電鍍', 7),
    (10, '移印', 'MK', '移印', 8), (10, '移印_雷射', 'MKL', '移印', 8),
    (11, '切彎腳', 'TF', '切彎腳', 9), (11, '切彎腳_TO', 'TFT', '切彎腳', 9),
    (12, '元件切割', 'SG', '元件切割', 10), (12, 'PKG_SAW_01', 'SGP', '元件切割', 10),
    (13, '測試', 'T', '測試', 11), (13, 'TMTT', 'TM', '測試', 11), (13, 'tmtt_高壓', 'TMH', '測試', 11),
    (14, '外觀檢查', 'VI', NULL, NULL), (15, '包裝入庫', 'PK', NULL, NULL)
) AS s (step, name, code, station_group, sequence);

-- How many lots of a hundred pass a step.
CREATE TEMP TABLE step AS
SELECT s.step, s.share, list(t.station ORDER BY t.station) AS stations
FROM (VALUES (0, 96), (1, 70), (2, 97), (3, 62), (4, 42), (5, 70), (6, 97), (7, 88), (8, 62), (9, 92),
             (10, 88), (11, 78), (12, 66), (13, 98), (14, 74), (15, 82)) AS s (step, share)
JOIN station AS t USING (step)
GROUP BY s.step, s.share;

-- Every station has this many, so machine = station * machines + n - 1.
SET VARIABLE machines = 1 + least(12, 1 + getvariable('containers') // 8000);
CREATE TEMP TABLE machine AS
SELECT
    row_number() OVER (ORDER BY station, n) - 1 AS machine, station, n, code, name AS station_name,
    '48810480' || format('{:08x}', 40960 + 3 * (row_number() OVER (ORDER BY station, n))) AS machine_id,
    code || '-' || lpad(n::VARCHAR, 2, '0') AS machine_name
FROM station, range(1, 1 + getvariable('machines')) AS m (n);

CREATE TEMP TABLE package AS
SELECT * FROM (VALUES
    (0, 'SOD-123', 'SCHOTTKY', '二極體', 'BOP-A1'), (1, 'SMA', 'TVS', '二極體', 'BOP-A2'),
    (2, 'SMC', 'RECTIFIER', '整流器', 'BOP-B1'), (3, 'TO-220', 'MOSFET', '電晶體', 'BOP-C1'),
    (4, 'TO-247', 'IGBT', '電晶體', 'BOP-C2'), (5, 'DFN2020', 'ESD 保護', '二極體', 'BOP-D1')
) AS p (package, package_name, type, function, bop);

INSERT INTO DWH.DW_MES_RESOURCE
SELECT
    machine_id, machine_name,
    code || ' ' || pick(machine, 'maker', ['ASM AD838', 'DISCO DFD6341', '東捷 TJ-2', 'KS 8098']),
    padded(machine, 'pad', station_name)
FROM machine ORDER BY machine;

-- A spec stands once for its station; those of two groups stand a second time under sequence '10', which
-- as text would come before their own '9' and '2'.
INSERT INTO DWH.DW_MES_SPEC_WORKCENTER_V
SELECT name || '_' || package_name, padded(station * 8 + package, 'pad', name), station_group, sequence::VARCHAR
FROM station, package ORDER BY station, package;
INSERT INTO DWH.DW_MES_SPEC_WORKCENTER_V
SELECT name || '_' || package_name, '元件切割', '元件切割', '10'
FROM station, package WHERE sequence = 9 OR name = '焊_WB_銅線' ORDER BY station, package;

CREATE TEMP TABLE supply AS
SELECT * FROM (VALUES
    (2, 0, 100, ['導線架 LF-123', '導線架 LF-220', 'LF-DFN20']),
    (2, 1, 80, ['EPOXY-84-1', '銀膠 CRM-1033', 'SOLDER-92.5']),
    (3, 0, 95, ['金線 1.0mil', 'CU-WIRE-2.0', '鋁線 15mil']), (4, 0, 90, ['CLIP-A', '銅跳片 B2']),
    (6, 0, 95, ['COMPOUND-G600', '塑封料 EMC-700']), (9, 0, 60, ['TIN-ANODE', '甲基磺酸']),
    (15, 0, 66, ['TAPE-8MM', '捲盤 7吋', '乾燥劑'])
) AS m (step, slot, share, parts);
