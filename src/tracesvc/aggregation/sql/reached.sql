-- Every container whose records count for the cohort, once, however many of its lots share it.
CREATE OR REPLACE TEMP TABLE reached AS SELECT DISTINCT node FROM member SEMI JOIN cohort USING (lot_no);
