"""The mid-section defect analysis (domain.md, 7): what explains a station's defects.

Reading order: `scope` and `filters` (what is asked), `inputs` (what is taken in), `file` (taken in, then
sealed), `analysis` (asked, as often as one likes), `backward`, `forward`, `detail` (the answers), `bars`
and `numbers` (how a chart and a rate are made). The definitions stand in sql/.

This package's own module imports none of them: whoever only names filters does not load the database.
"""
