-- Detection lots by the day of their track-in.
SELECT track_in::DATE AS day, sum(cohort.input) AS input, sum(defects) AS defects
FROM lot JOIN cohort USING (lot_no)
GROUP BY day
ORDER BY day NULLS LAST
