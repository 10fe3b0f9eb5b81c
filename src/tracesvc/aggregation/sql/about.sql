-- What the file was sealed with.
SELECT scope, domains_complete, lineage_complete FROM about
