-- The cohort as a whole.
SELECT
    count(*) AS lots, count(*) FILTER (defects > 0) AS defective_lots,
    coalesce(sum(input), 0) AS input, coalesce(sum(defects), 0) AS defects
FROM cohort
