"""Records as files: CSV, NDJSON, Parquet, Arrow, Excel workbooks, and a zip of several.

    tables      the catalogue's types as Arrow's, rows of a `records` line as an Arrow batch
    _rows, _values   such rows in our encoder's form, in C: the module that is there when it could be compiled
    order       what is to be written, as a person reads it and as a process is told
    formats     two parts a format: a piece of each line, and the pieces put together
    side_by_side   the forked processes that make the pieces
    row_groups  Parquet's: files of one row group put together
    workbook    the Excel one
    feed        the lines of one domain after the other, as they come down a pipe
    __main__    the process that writes a file: `python -m tracesvc.files`, lines in, file out

Encoding is work for a core, and the encoders hold the interpreter's lock: whoever serves or shows progress
meanwhile runs this package as a process of its own (`writer.FileWriter`).
"""
