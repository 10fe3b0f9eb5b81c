"""A plant of a dozen lots and a wafer, every row written out, small enough to check by hand.

The last two digits of an id say which lot it is:

01 clean; the finished lot that 02 and 10 went into         02 a session of four falling partials
03 open partials; split from 04, which is split from 03     04 blank-padded and empty text
05 Chinese, quotes, line breaks, characters beyond the BMP  06 nulls wherever the warehouse has them
07 rejects of every kind                                    08 holds, open and released; repair orders
09 no event at all                                          10 split off 02; fractions and large numbers
11 an upstream order's, at a workcentre of no group         12 the rework of 01
13 the wafer of them all
"""

# ruff: noqa: E501 - a row stands on a line, its values under those of the row above

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tracesvc.demo.plant_file import new_plant

TINY_CONTAINER_IDS: Final = tuple(f"48810380000000{number:02d}" for number in range(1, 14))
"""All containers of the tiny plant in ascending order: the lots 01 to 12 and the wafer 13."""

L01, L02, L03, L04, L05, L06, L07, L08, L09, L10, L11, L12, W13 = TINY_CONTAINER_IDS
DB7, DB8, MD1, PL1, T1, X1 = (f"48810480000000{number:02d}" for number in range(21, 27))

CONTAINERS: Final = (
    (L01, "GA25120001-A00-001", "WFK-000001", "GA25120001", "LOT", "TVS", "BOP-A2", "二極體", "SMA-01", "SMA", "FT-測試", None, L11, 43180),
    (L02, "GA25120001-A00-002", "WFK-000001", "GA25120001", "LOT", "TVS", "BOP-A2", "二極體", "SMA-01", "SMA", "MD-成型", None, None, 43200),
    (L03, "GA25120001-A00-003", "WFK-000001", "GA25120001", "LOT", "TVS", "BOP-A2", "二極體", "SMA-01", "SMA", "MD-成型", None, L04, 10000),
    (L04, " GA25120001-A00-004  ", "WFK-000001 ", "GA25120001  ", "LOT ", " TVS", "", "  ", "SMA-01 ", "SMA  ", "TF-01 ", None, L03, 5000),
    (L05, "GA25120001-A00-005", "WFK-000001", "GA25120001", "LOT", 'ESD "保護"', "BOP\\D1", "𠮷田二極體", "DFN'2020", "DFN2020", "FT-測試", None, None, 8000),
    (L06, "GA25120001-A00-006", None, None, "LOT", None, None, None, None, None, None, None, None, None),
    (L07, "GA25120002-A00-001", "WFK-000001", "GA25120002", "LOT", "MOSFET", "BOP-C1", "電晶體", "TO-220-01", "TO-220", "FT-測試", None, None, 2000),
    (L08, "GA25120002-A00-002", "WFK-000001", "GA25120002", "LOT", "MOSFET", "BOP-C1", "電晶體", "TO-220-01", "TO-220", "FT-測試", None, None, 2000),
    (L09, "GA25120002-A00-003", "WFK-000001", "GA25120002", "LOT", "MOSFET", "BOP-C1", "電晶體", "TO-220-01", "TO-220", "DB-焊接", None, None, 2000),
    (L10, "GA25120001-A01-002", "WFK-000001", "GA25120001", "LOT", "TVS", "BOP-A2", "二極體", "SMA-01", "SMA", "MD-成型", L02, L02, 999999999999999),
    (L11, "GC25110001-A00-001", "WFK-000001", "GC25110001", "LOT", "TVS", "BOP-A2", "二極體", "SMA-01", "SMA", "OPI", None, None, 50000),
    (L12, "GD26010001-A00-001", "WFK-000001", "GD26010001", "LOT", "TVS", "BOP-A2", "二極體", "SMA-01", "SMA", "FT-測試", L01, None, 400),
    (W13, "WFK-000001", "WFK-000001", None, "WAFER", "TVS", None, None, None, None, None, None, None, 25000),
)  # fmt: skip

HISTORY: Final = (
    # 02 out of order: 43200 = 2520 + 21240 + 15120 + 4300 and 20 lost. The latest partial names the run card.
    (L02, "成型", MD1, "MD-01", "MD-成型", "2025-12-03 08:00:00", "2025-12-03 12:30:00", 19440, 15120, None, "GA25120001"),
    (L02, "成型", MD1, "MD-01", "MD-成型", "2025-12-03 08:00:00", "2025-12-03 09:00:00", 43200, 2520, None, "GA25120001"),
    (L02, "成型", MD1, "MD-01", "MD-成型", "2025-12-03 08:00:00", "2025-12-03 14:00:00", 4320, 4300, "F25120001-001", "GA25120001"),
    (L02, "成型", MD1, "MD-01", "MD-成型", "2025-12-03 08:00:00", "2025-12-03 11:15:00", 40680, 21240, None, "GA25120001"),
    # The same machine and spec a second later: another session.
    (L02, "成型", MD1, "MD-01", "MD-成型", "2025-12-03 08:00:01", "2025-12-03 15:00:00", 100, 100, None, "GA25120001"),
    (L01, "焊接_DB", DB7, "DB-07", "DB-焊接", "2025-12-02 08:00:00", "2025-12-02 10:00:00", 43180, 43180, None, "GA25120001"),
    (L01, "成型", MD1, "MD-01", "MD-成型", "2025-12-05 08:00:00", "2025-12-05 10:00:00", 43180, 43180, None, "GA25120001"),
    (L01, "測試", T1, "T-01", "FT-測試", "2025-12-07 23:59:59", "2025-12-08 02:00:00", 43180, 43180, "F25120001-001", "GA25120001"),
    # 03: one partial out, one still open; then a session of which nothing has come out yet.
    (L03, "成型", MD1, "MD-01", "MD-成型", "2025-12-04 08:00:00", None, 4000, None, "F25120001-003", "GA25120001"),
    (L03, "成型", MD1, "MD-01", "MD-成型", "2025-12-04 08:00:00", "2025-12-04 10:00:00", 10000, 6000, None, "GA25120001"),
    (L03, "PKG_SAW", DB8, "SG-01", "SG-01", "2026-01-31 23:59:59", None, 6000, None, None, "GA25120001"),
    # 04: two partials whose spec differs in blanks only are one session of 5000, out 4990.
    (L04, " 切彎腳 ", DB8, "TF-01 ", "TF-01", "2025-12-06 08:00:00", "2025-12-06 09:00:00", 5000, 3000, "", " GA25120001"),
    (L04, "切彎腳", DB8, "TF-01", "TF-01  ", "2025-12-06 08:00:00", "2025-12-06 10:00:00", 2000, 1990, "   ", "GA25120001 "),
    (L05, "焊_WB_銅線", DB7, '打線機 "甲"\\1', "WB-銅線", "2025-12-06 07:00:00", "2025-12-06 07:30:00", 8000, 8000, None, "GA25120001"),
    # 06: no equipment, no track-in: neither is a session. The third is one, with nothing else known.
    (L06, "測試", None, "T-01", "FT-測試", "2025-12-06 08:00:00", "2025-12-06 09:00:00", 10, 10, None, None),
    (L06, "測試", T1, "T-01", "FT-測試", None, "2025-12-06 09:00:00", 20, 20, None, None),
    (L06, None, T1, None, None, "2025-12-06 10:00:00", None, None, None, None, None),
    (L07, "tmtt_高壓", T1, "T-01", "FT-測試", "2026-01-05 08:00:00", "2026-01-05 09:00:00", 2000, 1899, None, "GA25120002"),
    (L08, "TOTAI", PL1, "PL-01", "PL-TOTAI", "2026-01-06 08:00:00", "2026-01-06 09:00:00", 2000, 2000, None, "GA25120002"),
    # The same station and machine twice: upstream_history keeps the later track-in, 1990.
    (L08, "TOTAI", PL1, "PL-01", "PL-TOTAI", "2026-01-07 08:00:00", "2026-01-07 09:00:00", 1990, 1990, None, "GA25120002"),
    (L10, "成型", MD1, "MD-01", "MD-成型", "2025-12-04 08:00:00", "2025-12-04 20:00:00", 999999999999999, 999999999999998, None, "GA25120001"),
    (L11, "二光檢", X1, "OPI-01", "OPI", "2025-11-28 08:00:00", "2025-11-28 09:00:00", 50000, 50000, None, "GC25110001"),
    (L11, "晶圓元件切割", X1, "SG-09", "SG-01", "2025-11-29 08:00:00", "2025-11-29 09:00:00", 50000, 49999, None, "GC25110001"),
    (L12, "測試", T1, "T-01", "FT-測試", "2026-01-20 08:00:00", "2026-01-20 09:00:00", 400, 396, None, "GD26010001"),
)  # fmt: skip

MATERIALS: Final = (
    (L01, "EPOXY-84-1", "M2512-00001", "0.25", "焊接_DB", "DB-焊接", "DB-07", "2025-12-02 08:00:00"),
    (L01, "導線架 LF-123", "M2512-00002", "43180", "焊接_DB", "DB-焊接", "DB-07", "2025-12-02 08:00:00"),
    (L02, "COMPOUND-G600", "M2512-00003", "1.5", "成型", "MD-成型", "MD-01", "2025-12-03 08:00:00"),
    (L04, "COMPOUND-G600  ", " M2512-00003", "3", "切彎腳 ", " TF-01", "TF-01 ", "2025-12-06 08:00:00"),
    (L05, '金線 "1.0mil"', "𡈽-批\\1", "12.75", "焊_WB_銅線", "WB-銅線", '打線機 "甲"\\1', "2025-12-06 07:00:00"),
    (L06, None, None, None, None, None, None, None),
    (L06, "EPOXY-84-1", None, "0", "焊接_DB", None, None, "2025-12-06 08:00:00"),
    (L10, "EPOXY-84-1", "M2512-00001", "12345678901.2345", "成型", "MD-成型", "MD-01", "2025-12-04 08:00:00"),
    (L10, "EPOXY-84-1", "M2512-00001", "0.0001", "成型", "MD-成型", "MD-01", "2025-12-04 08:00:00"),
)  # fmt: skip

REJECTS: Final = (
    (L02, "成型", "MD-成型", "041_膠體空洞", "MD-01", None, 20, 0, 0, 0, 0, 0, "2025-12-03 14:00:00"),
    # 04 is 切彎腳 by the spec map, 9 before 10 as numbers.
    (L04, "切彎腳  ", "TF-01  ", " 081_腳彎 ", "TF-01 ", "   ", 10, None, None, None, None, None, "2025-12-06 10:00:00"),
    (L05, "焊_WB_銅線", "WB-銅線", "021_斷線", '打線機 "甲"\\1', '𠮷田 "斷線"\n第 2 行\t\\終 🛑\u2028\u0007', 1, 0, 0, 0, 0, 0, "2025-12-06 07:30:00"),
    (L06, None, None, None, None, None, None, None, None, None, None, None, "2025-12-06 10:30:00"),
    # 07: 1+2+4+8+16 = 31 charged off, 32 defects; each quantity alone; an unknown spec; a station by no number.
    (L07, "tmtt_高壓", "FT-測試", "101_漏電", "T-01", "複判", 1, 2, 4, 8, 16, 32, "2026-01-05 08:30:00"),
    (L07, "tmtt_高壓", "FT-測試", "104_開路", "T-01", None, 40, None, None, None, None, None, "2026-01-05 08:30:00"),
    (L07, "tmtt_高壓", "FT-測試", "105_短路", "T-01", None, None, 10, None, None, None, None, "2026-01-05 08:31:00"),
    (L07, "tmtt_高壓", "FT-測試", None, "T-01", None, None, None, 10, None, None, None, "2026-01-05 08:32:00"),
    (L07, "tmtt_高壓", "舊製程-測試", "901_其他", "T-01", None, None, None, None, 10, None, None, "2026-01-05 08:33:00"),
    (L07, "外包站", "PX-外包", "901_其他", None, None, None, None, None, None, 10, None, "2026-01-05 08:34:00"),
    (L07, "tmtt_高壓", None, "901_其他", "T-01", None, None, None, None, None, None, 7, "2026-01-05 08:35:00"),
    (L12, "測試", "FT-測試", "105_短路", "T-01", None, 4, 0, 0, 0, 0, 0, "2026-01-20 09:00:00"),
)  # fmt: skip

HOLDS: Final = (
    # 3618 s are 1.005 h: 1.01, as halves go up. Then exactly three days, then one that is still open.
    (L08, "TOTAI", "2026-01-06 08:00:00", "王小明", "品保部", "Q01_品質異常", "抽檢不良", "2026-01-06 09:00:18", "李佳穎", "放行", "NCR26010001"),
    (L08, "TOTAI", "2026-01-07 10:00:00", "王小明", None, "E03_設備異常", None, "2026-01-10 10:00:00", "李佳穎", None, None),
    (L08, "TOTAI ", "2026-01-11 00:00:00", "𡈽井健", "工程部", "Q07_待工程判定", '待 "8D" 報告\n第二行', None, None, None, None),
    (L06, None, None, None, None, None, None, None, None, None, None),
)  # fmt: skip

JOBS: Final = (
    # The ids of 08 and 02; blanks after the commas, a trailing comma.
    ("48810980000000A1", PL1, "PL-01", "Closed", "BREAKDOWN", "JO2601000001", "2026-01-06 10:00:00", "2026-01-06 12:00:00", "C01_磨耗", "R01_更換", "S12_卡料", f"{L08}, {L02},", "GA25120002-A00-002, GA25120001-A00-002,"),
    # Only strangers: longer ids that contain the ones of 08 and 01.
    ("48810980000000A2", PL1, "PL-01", "Closed", "PM-MONTHLY", "JO2601000002", "2026-01-07 10:00:00", "2026-01-07 11:00:00", None, None, None, f"9{L08},{L01}F", None),
    # 08 twice in one list is one match; still open.
    ("48810980000000A3", MD1, "MD-01  ", "Open", "故障維修", "JO2601000003", "2026-01-05 10:00:00", None, None, None, ' 溫度 "異常" ', f" {L08} ,{L08},, {L05}", "GA25120002-A00-002"),
    ("48810980000000A4", MD1, "MD-01", "Closed", "BREAKDOWN", "JO2601000004", "2026-01-08 10:00:00", "2026-01-08 10:30:00", None, None, None, None, None),
    ("JOB-A5          ", T1, None, None, None, None, None, None, None, None, None, L12, "GD26010001-A00-001"),
)  # fmt: skip

COMBINED: Final = (
    (L02, "GA25120001-A00-002", "F25120001-001", L01, "GA25120001"),
    (L10, "GA25120001-A01-002", "F25120001-001", L01, "GA25120001"),
)

WIP: Final = (
    (L01, "GA25120001-A00-001", "SMA_標準流程_V1", "SMA", "2025-12-02 00:00:00"),
    (L01, "GA25120001-A00-001", "SMA_標準流程_V2", "SMA", "2025-12-07 00:00:00"),
    (L07, "GA25120002-A00-001 ", "TO-220_FLOW-A_V1", "TO-220", "2026-01-05 00:00:00"),
)

RESOURCES: Final = (
    (DB7, "DB-07", "DB ASM AD838", "焊接_DB"),
    (DB8, "DB-08", "DB ASM AD838", "焊接_DB"),
    (MD1, "MD-01 ", "MD 東捷 TJ-2", "成型 "),
    (PL1, "PL-01", "PL KS 8098", "TOTAI"),
    (T1, "T-01", "T KS 8098", "測試"),
    (X1, "OPI-01", None, None),
)

SPECS: Final = (
    ("DB-焊接", "焊接_DB", "焊接_DB", "1"),
    ("MD-成型", "成型", "成型", "4"),
    ("TF-01", "元件切割", "元件切割", "10"),
    ("TF-01 ", "切彎腳 ", "切彎腳 ", " 9"),
    ("FT-測試", "測試", "測試", "11"),
    ("WB-銅線", "焊_WB_銅線", "焊接_WB", "2"),
    ("PX-外包", "外包", "外包電鍍", "N/A"),
    ("OPI", "二光檢", None, None),
)

TINY_ROWS: Final[Mapping[str, tuple[tuple[object, ...], ...]]] = {
    "DW_MES_CONTAINER": CONTAINERS,
    "DW_MES_LOTWIPHISTORY": HISTORY,
    "DW_MES_LOTMATERIALSHISTORY": MATERIALS,
    "DW_MES_LOTREJECTHISTORY": REJECTS,
    "DW_MES_HOLDRELEASEHISTORY": HOLDS,
    "DW_MES_JOB": JOBS,
    "DW_MES_PJ_COMBINEDASSYLOTS": COMBINED,
    "DW_MES_WIP": WIP,
    "DW_MES_RESOURCE": RESOURCES,
    "DW_MES_SPEC_WORKCENTER_V": SPECS,
}
"""The rows of each table, their values in the order of the columns in `plant_sql/schema.sql`."""


def make_tiny_plant(out: Path) -> None:
    """Write the dozen lots as a `.duckdb` file or a folder of Parquet files, like `make_plant` does.

    Raises `SettingsError` when `out` holds something that is no plant.
    """
    with new_plant(out) as con:
        for table, rows in TINY_ROWS.items():
            target = con.table(f"DWH.{table}")
            for row in rows:
                target.insert(row)
