-- What went into these finished lots. FULL SCAN: no index serves LOTID; one scan for a thousand lots.
SELECT TRIM(p.CONTAINERID) AS CONTAINERID, TRIM(p.LOTID) AS LOTID, TRIM(p.FINISHEDNAME) AS FINISHEDNAME
FROM {schema}.DW_MES_PJ_COMBINEDASSYLOTS p
WHERE p.LOTID IN (:container_ids)
