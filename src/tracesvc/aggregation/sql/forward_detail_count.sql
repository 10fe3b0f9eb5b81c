-- Detail rows: one per lot with defects of the chosen reasons.
SELECT count(*) AS total FROM cohort WHERE defects > 0
