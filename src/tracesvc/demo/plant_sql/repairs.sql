-- Repair orders: a machine breaks down, the order lists the lots that ran on it before. Variables: seed, repairs.

CREATE TEMP TABLE run AS
SELECT machine, rn, sid, track_in, row_number() OVER (PARTITION BY machine ORDER BY track_in, sid) AS pos FROM visit;

-- Four lists of five are short; one of 200 is long, up to 117 ids; the first is as long as a list gets.
CREATE TEMP TABLE repair AS
SELECT *, CASE
    WHEN job = 0 THEN 117
    WHEN rnd(job, 'size', 200) < 160 THEN 1 + rnd(job, 'lots', 4)
    WHEN rnd(job, 'size', 200) < 194 THEN 5 + rnd(job, 'lots', 11)
    WHEN rnd(job, 'size', 200) < 199 THEN 16 + rnd(job, 'lots', 35)
    ELSE 51 + rnd(job, 'lots', 67) END AS lots
FROM (
    SELECT row_number() OVER (ORDER BY pos < 117, sid) - 1 AS job, *
    FROM (FROM run ORDER BY rnd(sid, 'repair', 1000000000), sid LIMIT getvariable('repairs'))
);

CREATE TEMP TABLE hit AS
SELECT r.job, v.rn, min(v.pos) AS pos
FROM repair AS r
CROSS JOIN range(117) AS t (n)
JOIN run AS v ON v.machine = r.machine AND v.pos = r.pos - t.n
WHERE t.n < r.lots
GROUP BY r.job, v.rn;

CREATE TEMP TABLE hit_list AS
SELECT
    h.job, count(*) AS lots,
    list(container_id(l.rn) ORDER BY h.pos, l.rn) AS ids,
    list(l.name ORDER BY h.pos, l.rn) AS names
FROM hit AS h JOIN lot_key AS l USING (rn) GROUP BY h.job;

-- Both lists are VARCHAR2(2000): 117 ids fill it without blanks, of the names at most a hundred stand in it.
INSERT INTO DWH.DW_MES_JOB
SELECT
    '48810980' || format('{:08x}', 65536 + r.job * 5), m.machine_id, padded(r.job, 'machine', m.machine_name),
    CASE WHEN done IS NULL THEN 'Open'
        ELSE pick(r.job, 'status', ['Closed', 'Complete', '結案']) END,
    pick(r.job, 'model', ['BREAKDOWN', 'PM-MONTHLY', '故障維修']),
    'JO' || strftime(began, '%y%m') || lpad(r.job::VARCHAR, 6, '0'), began, done,
    CASE WHEN done IS NOT NULL THEN pick(r.job, 'cause', ['C01_磨耗', 'C05_參數跑掉', 'C11_人為']) END,
    CASE WHEN done IS NOT NULL THEN pick(r.job, 'fix', ['R01_更換', 'R02_調整', 'R09_清潔 "全機"']) END,
    padded(r.job, 'symptom pad', pick(r.job, 'symptom', ['S02_吸嘴堵塞', 'S07_溫度異常', 'S12_卡料', 'ALARM 3021'])),
    CASE
        WHEN rnd(r.job, 'no list', 20) = 0 AND r.job > 0 THEN NULL
        WHEN rnd(r.job, 'list', 4) = 0 AND h.lots <= 100 THEN array_to_string(h.ids, ', ')
        WHEN rnd(r.job, 'list', 40) = 1 AND h.lots <= 100 THEN array_to_string(h.ids, ',') || ','
        ELSE array_to_string(h.ids, ',')
    END,
    CASE WHEN rnd(r.job, 'no list', 20) > 0 OR r.job = 0 THEN array_to_string(h.names[:100], ',') END
FROM (
    SELECT *, track_in + to_seconds(3600) AS began,
        CASE WHEN rnd(job, 'done', 30) > 0 THEN track_in + to_seconds(5400 + rnd(job, 'repair', 172800)) END AS done
    FROM repair
) AS r
JOIN hit_list AS h USING (job)
JOIN machine AS m USING (machine)
ORDER BY began, r.job;
