-- Rejects of the containers at a station in a time, by reason, all six quantities in one (index: CONTAINERID).
SELECT
    j.CONTAINERID, j.LOSSREASONNAME, SUM(j.QTY) AS QTY
FROM (
    SELECT
        TRIM(r.CONTAINERID) AS CONTAINERID, NVL(TRIM(r.LOSSREASONNAME), '(未填寫)') AS LOSSREASONNAME,
        NVL(r.REJECTQTY, 0) + NVL(r.STANDBYQTY, 0) + NVL(r.QTYTOPROCESS, 0) + NVL(r.INPROCESSQTY, 0)
            + NVL(r.PROCESSEDQTY, 0) + NVL(r.DEFECTQTY, 0) AS QTY
    FROM {schema}.DW_MES_LOTREJECTHISTORY r
    WHERE r.CONTAINERID IN (:container_ids)
        AND r.TXNDATE >= :since AND r.TXNDATE < :until
        AND WORKCENTRE_GROUP(r.WORKCENTERNAME) = :station
) j
GROUP BY j.CONTAINERID, j.LOSSREASONNAME
ORDER BY 1, 2
