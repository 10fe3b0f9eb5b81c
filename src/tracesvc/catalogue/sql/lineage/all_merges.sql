-- All that went into finished lots. FULL SCAN: in place of many scans for LOTID; one a lineage.
SELECT TRIM(p.CONTAINERID) AS CONTAINERID, TRIM(p.LOTID) AS LOTID, TRIM(p.FINISHEDNAME) AS FINISHEDNAME
FROM {schema}.DW_MES_PJ_COMBINEDASSYLOTS p
