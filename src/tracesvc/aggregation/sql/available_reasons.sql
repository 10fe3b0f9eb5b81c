-- Every loss reason of the lots, whichever are chosen.
SELECT DISTINCT loss_reason FROM lot_reason SEMI JOIN cohort USING (lot_no) ORDER BY loss_reason
