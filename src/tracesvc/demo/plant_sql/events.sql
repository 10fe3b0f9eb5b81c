-- What happened in the sessions of one slice. History, materials and rejects are written in the order of
-- CONTAINERID: the id ranges a DuckDB row group or Parquet row group remembers then let a read of a thousand
-- neighbouring ids skip nearly all of the table.

-- Several partials of a session share its track-in; each starts with what the earlier ones left over.
INSERT INTO DWH.DW_MES_LOTWIPHISTORY
WITH partial AS (
    SELECT
        s.*, p.n, s.sid * 4 + p.n AS row_key,
        CASE p.n WHEN 0 THEN 0
            ELSE load * (100 * p.n + rnd(sid * 4 + p.n, 'cut', 30)) // (100 * partials) END AS taken,
        CASE WHEN p.n + 1 = partials THEN load - loss
            ELSE load * (100 * p.n + 100 + rnd(sid * 4 + p.n + 1, 'cut', 30)) // (100 * partials) END AS taken_after,
        moment + to_seconds(seconds * (p.n + 1) // partials) AS track_out
    FROM session AS s JOIN range(4) AS p (n) ON p.n < s.partials
),
closed AS (
    SELECT *, NOT (is_open AND n + 1 = partials) AND track_out <= plant_end() AS is_closed FROM partial
)
SELECT
    container_id(rn), padded(row_key, 'station', station_name), machine_id,
    CASE WHEN rnd(sid, 'no name', 400) > 0 THEN padded(row_key, 'machine', machine_name) END,
    padded(row_key, 'spec', spec), track_in, CASE WHEN is_closed THEN track_out END, load - taken,
    CASE WHEN is_closed THEN taken_after - taken END,
    CASE WHEN step >= 10 THEN padded(row_key, 'card', runcard) END,
    CASE WHEN rnd(sid, 'no order', 300) > 0 THEN padded(row_key, 'order', order_name) END
FROM closed
ORDER BY row_key;

INSERT INTO DWH.DW_MES_LOTMATERIALSHISTORY
SELECT
    container_id(rn), padded(key, 'part', pick(rn // 40 * 2 + slot, 'part', parts)),
    CASE WHEN rnd(key, 'no lot', 50) > 0 THEN
        'M' || strftime(moment, '%y%m-') || lpad(rnd(rn // 12 * 32 + s.step, 'lot', 5000)::VARCHAR, 5, '0') END,
    CASE
        WHEN rnd(key, 'no qty', 500) = 0 THEN NULL
        WHEN slot = 1 THEN (1 + rnd(key, 'qty', 40)) * 0.25
        WHEN s.step = 6 THEN (1 + rnd(key, 'qty', 30)) * 1.5
        WHEN s.step = 9 THEN 1 + rnd(key, 'qty', 60)
        WHEN s.step = 15 THEN 1 + load // 3000
        ELSE load
    END,
    padded(key, 'station', station_name), spec,
    CASE WHEN rnd(key, 'no machine', 200) > 0 THEN machine_name END, moment
FROM (SELECT *, sid * 2 + slot AS key FROM session JOIN supply USING (step)) AS s
WHERE rnd(key, 'share', 100) < share
ORDER BY key;

INSERT INTO DWH.DW_MES_LOTREJECTHISTORY
WITH part AS (
    SELECT
        s.*, sid * 2 + n AS key, rnd(sid * 2 + n, 'kind', 8) AS kind,
        rnd(sid * 2 + n, 'no qty', 400) = 0 AS no_qty,
        CASE WHEN rnd(sid, 'reasons', 4) > 0 THEN loss WHEN n = 1 THEN loss // 3 ELSE loss - loss // 3 END AS part
    FROM session AS s JOIN range(2) AS r (n) ON r.n = 0 OR rnd(s.sid, 'reasons', 4) = 0
    WHERE loss > 0
)
SELECT
    container_id(rn), padded(key, 'station', station_name),
    CASE rnd(key, 'old spec', 80)
        WHEN 0 THEN '舊製程-' || station_name WHEN 1 THEN NULL ELSE padded(key, 'spec', spec) END,
    CASE WHEN rnd(key, 'no reason', 150) > 0 THEN padded(key, 'reason pad', pick(key, 'reason', [
        '001_晶片破損', '002_缺角', '011_銀膠不足', '014_晶片偏移', '021_斷線', '023_線弧異常',
        '031_跳片偏移', '041_膠體空洞', '043_未充填', '051_溢膠殘留', '061_鍍層不良', '063_錫鬚',
        '071_印字模糊', '081_腳彎', '083_共面不良', '091_切割毛邊', '101_漏電', '102_VF 不良', '104_開路', '105_短路', '901_其他'])) END,
    CASE WHEN rnd(key, 'no machine', 60) > 0 THEN padded(key, 'machine', machine_name) END,
    CASE rnd(key, 'comment', 24)
        WHEN 0 THEN '換線後首件不良，已通知製程'
        WHEN 1 THEN E'抽檢 32 pcs\n不良 3 pcs\t請複判'
        WHEN 2 THEN '作業員備註："上料錯誤" \ 隔離'
        WHEN 3 THEN '𠮷田師傅複判 ✅ 🔧 可放行'
        WHEN 4 THEN 'operator said: it''s OK, C:\LOG\' || lot_name
        WHEN 5 THEN '   '
    END,
    CASE WHEN no_qty THEN NULL WHEN kind < 4 THEN part ELSE part - part // 3 END,
    CASE WHEN kind = 0 THEN NULL WHEN kind = 5 THEN part // 3 ELSE 0 END,
    CASE WHEN kind < 2 THEN NULL WHEN kind = 6 THEN part // 3 ELSE 0 END,
    CASE WHEN kind = 0 THEN NULL WHEN kind = 7 THEN part // 3 ELSE 0 END,
    CASE WHEN kind = 0 THEN NULL WHEN kind = 4 THEN part // 3 ELSE 0 END,
    CASE rnd(key, 'defect', 3) WHEN 0 THEN NULL WHEN 1 THEN 0 ELSE rnd(key, 'defects', 40) END,
    moment + to_seconds(seconds // 2 + key % 2 * 60)
FROM part
ORDER BY key;

INSERT INTO DWH.DW_MES_HOLDRELEASEHISTORY
WITH hold AS (
    SELECT *, moment + to_seconds(600) AS held,
        CASE WHEN rnd(sid, 'kept', 25) > 0 THEN moment + to_seconds(660 + rnd(sid, 'hours', 1 + rnd(sid, 'scale', 200) * 3600)) END AS due
    FROM session WHERE rnd(sid, 'hold', 1000) < 29
),
ended AS (
    SELECT *, CASE WHEN due <= plant_end() THEN due END AS released
    FROM hold WHERE held <= plant_end()
)
SELECT
    container_id(rn), padded(sid, 'station', station_name), held,
    pick(sid, 'by', ['王小明', '陳美玲', '林志豪', 'A1023', '𡈽井健']),
    CASE WHEN rnd(sid, 'no dept', 40) > 0 THEN pick(sid, 'dept', ['製造一部', '品保部', '工程部', 'PE']) END,
    padded(sid, 'reason pad', pick(sid, 'reason', [
        'Q01_品質異常', 'Q07_待工程判定', 'E03_設備異常', 'M02_缺料', 'C01_客戶要求'])),
    CASE rnd(sid, 'comment', 5)
        WHEN 0 THEN NULL
        WHEN 1 THEN E'低良率\n待 "8D" 報告'
        WHEN 2 THEN '參數超規 \ 待複測 ⚠️ 🛑'
        ELSE '抽檢不良，待判定'
    END,
    released, CASE WHEN released IS NOT NULL THEN pick(sid, 'freed by', ['李佳穎', '張家豪', 'B2210']) END,
    CASE WHEN released IS NOT NULL AND rnd(sid, 'freed', 3) > 0 THEN '複判合格，放行' END,
    CASE WHEN rnd(sid, 'ncr', 4) = 0 THEN
        'NCR' || strftime(held, '%y%m') || lpad(rnd(sid, 'ncr no', 10000)::VARCHAR, 4, '0') END
FROM ended
ORDER BY sid;
